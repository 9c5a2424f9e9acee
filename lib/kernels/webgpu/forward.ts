/**
 * The source of the forward pass. The lanes of a row find its highest entry in each view, then sum exponentials relative
 * to it, while the row is in cache; the first lane makes statistics of the sums.
 */
import { arithmetic, twoFloats } from "./arithmetic.ts";
import {
  at,
  cappedEntries,
  declareEntry,
  declareEntry2,
  declareScale,
  entry,
  entry2,
  logitOf,
  lostEntries,
  lowest,
  readLogits,
  scaleOf,
} from "./entries.ts";
import type { DotPlan, RowsPlan, ViewPlan } from "./plan.ts";
import { declareReduction, type Reduced, reduction, wordsOf } from "./reduce.ts";

/** So many terms are added up in one float32; these sums are then added in two. */
const termsInOne = 32;

/** Bits of a `lost` variable: a dot has one for −∞ and one for ∞. */
const dotsInWord = 16;

interface IndexedView extends ViewPlan {
  readonly v: number;
}

interface IndexedDot extends DotPlan {
  readonly view: IndexedView;
  readonly k: number;
  /** The variable of its sum. */
  readonly sum: string;
}

export function forwardSource(plan: RowsPlan): string {
  const views = plan.views.flatMap((view, v): IndexedView[] => (view === null ? [] : [{ ...view, v }]));
  const dots = views.flatMap((view) =>
    view.dots.flatMap((dot, k): IndexedDot[] => (dot === null ? [] : [{ ...dot, view, k, sum: `dot${view.v}x${k}` }])),
  );
  const highest = highestOf(views, plan.hasLabels);
  const sums = sumsOf(views, dots);
  const lost = lostOf(dots);
  const folded: Reduced[] = [...sums.map((name): Reduced => ({ name, by: "sum" })), ...lost];
  return `
${arithmetic}
${twoFloats}
${lostEntries}
${views.some(({ cap }) => cap !== null) ? cappedEntries : ""}
${plan.lanes === 1 ? "" : declareReduction(Math.max(wordsOf(highest), wordsOf(folded)))}

fn main(index : i32) {
  let lane = index & ${plan.lanes - 1};
  let slot = i32(localId.x);
  let rowSlot = slot - lane;
  let given = index / ${plan.lanes};
  let row = min(given, uniforms.rows - 1);
  let isRow = given < uniforms.rows;
  let isValid = ${plan.hasValid ? "isRow && valid[row] != 0" : "isRow"};
  let count = select(0, uniforms.classes, isValid);
  let start = row * uniforms.classes;
  ${plan.hasLabels ? "let label = clamp(labels[row], 0, uniforms.classes - 1);" : ""}

  var flaws = 0u;
  ${views.map((view) => declareHighest(view)).join("\n")}
  for (var j = lane; j < count; j += ${plan.lanes}) {
    ${readLogits(plan)}
    ${views.map((view) => findHighest(view, plan.hasLabels)).join("\n")}
  }
  ${reduction(highest, plan.lanes)}
  ${views.map((view) => declareOrigin(view, plan.hasLabels)).join("\n")}

  ${sums.map((name) => `var ${name} = 0.0; var ${name}Low = 0.0;`).join("\n")}
  ${lost.map(({ name }) => `var ${name} = 0u;`).join("\n")}
  ${sums.length === 0 ? "" : sumLoop(plan, views, dots, sums)}
  ${reduction(folded, plan.lanes)}

  if (lane == 0 && isRow) {
    let base = row * ${plan.columns.count};
    if (!isValid) {
      for (var k = 0; k < ${plan.columns.count}; k++) {
        result[base + k] = 0.0;
      }
    } else {
      ${views.map((view) => writeView(plan, view)).join("\n")}
      ${dots.map((dot) => writeDot(plan, dot)).join("\n")}
    }
  }
}
`;
}

/** A word with one bit set. */
function bit(position: number): string {
  return `${2 ** position}u`;
}

/** Whether a view's exponentials are summed. */
function isSummed({ wanted, weighs }: ViewPlan): boolean {
  return weighs || wanted.some((name) => name === "s" || name === "n" || name === "r" || name === "e");
}

// --------------------------------------------------------------------------------------------------- highest entries

/** Whether the position of the highest entry is needed: as that of the label, or for its bias. */
function isPlaced({ bias }: ViewPlan, hasLabels: boolean): boolean {
  return !hasLabels || bias !== null;
}

function highestOf(views: readonly IndexedView[], hasLabels: boolean): readonly Reduced[] {
  const tops = views.map((view): Reduced => {
    const name = `top${view.v}`;
    return isPlaced(view, hasLabels) ? { name, by: "max", position: `topAt${view.v}` } : { name, by: "max" };
  });
  return [{ name: "flaws", by: "or" }, ...tops];
}

function declareHighest(view: IndexedView): string {
  const { v, cap } = view;
  const fromZero = `let capped${v}FromZero = cappedFrom(0.0, ${scaleOf(view, v)}, ${cap});`;
  return `
  var top${v} = -3.4e38;
  var topAt${v} = 0;
  ${declareScale(view, v)}
  ${cap === null ? "" : fromZero}`;
}

/** A number that orders the entries of a view, and whether a row that holds it as `height` has no statistics. */
function height(view: IndexedView, z: string, j: string): { readonly value: string; readonly flaw: string } {
  const { v, cap, bias } = view;
  if (cap !== null) {
    const flaw = `isNotANumber(${z})`;
    // A cap makes finite numbers of infinities.
    if (bias === null) return { value: `clamp(${z}, -3e38, 3e38)`, flaw };
    const capped = `cappedDifference(capped${v}FromZero, ${z}) + ${at(bias, j)}`;
    return { value: capped, flaw: `${flaw} || isFlaw(${at(bias, j)})` };
  }
  const value = bias === null ? z : `fma(${scaleOf(view, v)}, ${z}, ${at(bias, j)})`;
  return { value, flaw: "isFlaw(height)" };
}

function findHighest(view: IndexedView, hasLabels: boolean): string {
  const { v } = view;
  const { value, flaw } = height(view, logitOf(view), "j");
  const found = `top${v} = max(top${v}, select(height, top${v}, j == label));`;
  const placed = `if (height > top${v}${hasLabels ? " && j != label" : ""}) {
        top${v} = height;
        topAt${v} = j;
      }`;
  return `{
      let height = ${value};
      flaws |= select(0u, ${bit(v)}, ${flaw});
      ${isPlaced(view, hasLabels) ? placed : found}
    }`;
}

/** The origin is the highest entry, with labels the highest but the label's; the entry that is left out is `excluded`. */
function declareOrigin(view: IndexedView, hasLabels: boolean): string {
  const { v, bias } = view;
  const z = (position: string): string => `${view.of}[start + ${position}]`;
  const y = `excluded${v}`;
  const placed = `
  let originAt${v} = select(${y}, topAt${v}, isFound${v});
  let origin${v} = ${z(`originAt${v}`)};`;
  return `
  let isFound${v} = top${v} > ${lowest};
  let ${y} = ${hasLabels ? "label" : `topAt${v}`};
  ${isPlaced(view, hasLabels) ? placed : `let origin${v} = select(${z("label")}, top${v}, isFound${v});`}
  ${bias === null ? "" : `let originBias${v} = ${at(bias, `originAt${v}`)};`}
  ${declareEntry(view, v)}
  let ownLogit${v} = ${z(y)};
  let shift${v} = max(0.0, ${entry(view, v, `ownLogit${v}`, y)});`;
}

// -------------------------------------------------------------------------------------------------------------- sums

function sumsOf(views: readonly IndexedView[], dots: readonly IndexedDot[]): readonly string[] {
  const own = views.flatMap((view) => [
    ...(isSummed(view) ? [`others${view.v}`] : []),
    ...(view.wanted.includes("e") ? [`weighted${view.v}`] : []),
  ]);
  return [...own, ...dots.map(({ sum }) => sum)];
}

function lostOf(dots: readonly IndexedDot[]): readonly Reduced[] {
  return [...new Set(dots.map(lostWord))].map((name) => ({ name, by: "or" }));
}

function lostWord({ view, k }: IndexedDot): string {
  return `lost${view.v}x${Math.floor(k / dotsInWord)}`;
}

function sumLoop(
  plan: RowsPlan,
  views: readonly IndexedView[],
  dots: readonly IndexedDot[],
  sums: readonly string[],
): string {
  return `
  for (var block = lane; block < count; block += ${plan.lanes * termsInOne}) {
    let end = min(count, block + ${plan.lanes * termsInOne});
    ${sums.map((name) => `var ${name}Part = 0.0;`).join("\n")}
    for (var j = block; j < end; j += ${plan.lanes}) {
      ${readLogits(plan)}
      ${dots.some(({ weights }) => weights === "targets") ? "let target_j = targets[start + j];" : ""}
      ${views.map((view) => sumView(view, dots)).join("\n")}
      ${dots.map((dot) => sumDot(dot)).join("\n")}
    }
    ${sums.map(addPart).join("\n")}
  }
  ${sums.map((name) => `${name} += ${name}Low;`).join("\n")}`;
}

function addPart(name: string): string {
  return `{
      let sum = sumOf(${name}, ${name}Part);
      ${name} = sum.x;
      ${name}Low += sum.y;
    }`;
}

function sumView(view: IndexedView, dots: readonly IndexedDot[]): string {
  const { v } = view;
  const isDotted = dots.some((dot) => dot.view.v === v && dot.times === "logits");
  if (!isSummed(view) && !isDotted) return "";
  const exponential = `
      let e${v} = select(exponential(x${v}), 0.0, j == excluded${v});
      others${v}Part += e${v};`;
  return `
      let x${v} = ${entry(view, v, logitOf(view), "j")};
      ${isSummed(view) ? exponential : ""}
      ${view.wanted.includes("e") ? `weighted${v}Part += e${v} * max(x${v}, -88.0);` : ""}`;
}

/** w_j u_j. */
function weightOf({ weights, table }: IndexedDot, j: string, target: string): string {
  const u = table === null ? [] : [at(table, j)];
  const w = weights === "ones" ? [] : weights === "targets" ? [target] : [`e${weights}`];
  return [...w, ...u].join(" * ") || "1.0";
}

function sumDot(dot: IndexedDot): string {
  const weight = weightOf(dot, "j", "target_j");
  if (dot.times === "nothing") return `${dot.sum}Part += ${weight};`;
  return `{
        let weight = ${weight};
        ${addTerm(dot, `${dot.sum}Part`, "weight", `x${dot.view.v}`)}
      }`;
}

/** Adds weight · (z'_j − m) to a sum: nothing where the weight is 0, and −∞ to a word of bits. */
function addTerm(dot: IndexedDot, sum: string, weight: string, x: string): string {
  const first = 2 * (dot.k % dotsInWord);
  return `let isLost = ${x} < -1e38;
        ${sum} += select(${weight} * (${x} - shift${dot.view.v}), 0.0, isLost || isZero(${weight}));
        ${lostWord(dot)} |= select(0u, select(${bit(first)}, ${bit(first + 1)}, ${weight} < 0.0),
          isLost && !isZero(${weight}));`;
}

// -------------------------------------------------------------------------------------------------------- statistics

/** Writes a column if it is wanted. */
function write(column: number | null, value: string): string {
  return column === null ? "" : `result[base + ${column}] = ${value};`;
}

function writeView(plan: RowsPlan, view: IndexedView): string {
  const { v, bias, cap } = view;
  const { state, ...columns } = plan.columns.views[v];
  const orNaN = (value: string): string => `select(${value}, uniforms.NAN, isFlawed${v})`;
  const y = `excluded${v}`;
  const own = height(view, `ownLogit${v}`, y).value;
  const sum = isSummed(view) ? `others${v}` : "0.0";
  const topLogit = `select(origin${v}, ownLogit${v}, own${v}.x > 0.0)`;
  const topAt = `select(originAt${v}, ${y}, own${v}.x > 0.0)`;
  const scaled =
    cap === null
      ? view.scale === null
        ? topLogit
        : `${topLogit} * scaleOf${v}`
      : `cappedDifference(capped${v}FromZero, ${topLogit})`;
  const biased = bias === null ? scaled : `${scaled} + ${at(bias, topAt)}`;
  const m = view.shift === null ? biased : `${biased} + ${view.shift}`;
  // Where the entry that is left out is above the others, log(1 + q) keeps the digits of a small q.
  return `
      ${declareEntry2(view, v)}
      let own${v} = ${entry2(view, v, `ownLogit${v}`, y)};
      let isAbsent${v} = !(${own} > ${lowest});
      let isFlawed${v} = (flaws & ${bit(v)}) != 0u || (isAbsent${v} && !isFound${v});
      var share${v} = 0.0;
      var probability${v} = 0.0;
      var complement${v} = 0.0;
      var nll${v} = 0.0;
      var logSum${v} = 0.0;
      if (own${v}.x >= 0.0) {
        let half = exponential(-0.5 * own${v}.x) * (1.0 - 0.5 * own${v}.y);
        let q = ${sum} * half * half;
        share${v} = half * half / (1.0 + q);
        probability${v} = 1.0 / (1.0 + q);
        complement${v} = q / (1.0 + q);
        nll${v} = log1pOf(q);
        logSum${v} = nll${v};
      } else {
        let p = select(exponential(own${v}.x) * (1.0 + own${v}.y), 0.0, isAbsent${v});
        let all = ${sum} + p;
        share${v} = 1.0 / all;
        probability${v} = p / all;
        complement${v} = ${sum} / all;
        logSum${v} = logarithm(all);
        nll${v} = select(logSum${v} - own${v}.x, uniforms.INFINITY, isAbsent${v});
      }
      ${view.wanted.includes("e") ? expectation(v) : ""}
      ${write(columns.m, orNaN(m))}
      ${write(columns.s, orNaN(`logSum${v}`))}
      ${write(columns.n, orNaN(`nll${v}`))}
      ${write(columns.t, orNaN(`select(min(own${v}.x, 0.0), -uniforms.INFINITY, isAbsent${v})`))}
      ${write(columns.r, orNaN(`select(logarithm(${sum}) - shift${v}, -uniforms.INFINITY, !isFound${v})`))}
      ${write(columns.e, orNaN(`expectation${v}`))}
      ${write(state.origin, orNaN(bias === null ? `origin${v}` : `f32(originAt${v})`))}
      ${write(state.excluded, `f32(${y})`)}
      ${write(state.share, `share${v}`)}
      ${write(state.inverseOfOthers, `select(1.0 / ${sum}, 0.0, !isFound${v})`)}
      ${write(state.others, `complement${v}`)}
      ${write(state.probability, `probability${v}`)}
      ${write(state.center, `expectation${v} + shift${v}`)}
      ${write(state.ownAboveCenter, `min(own${v}.x, 0.0) - expectation${v}`)}`;
}

function expectation(v: number): string {
  return `
      var expectation${v} = 0.0;
      if (probability${v} > 0.0) {
        expectation${v} += probability${v} * min(own${v}.x, 0.0);
      }
      if (complement${v} > 0.0 && others${v} > 0.0) {
        expectation${v} += complement${v} * (weighted${v} / others${v} - shift${v});
      }`;
}

function writeDot(plan: RowsPlan, dot: IndexedDot): string {
  const { weights, view, k } = dot;
  const first = 2 * (k % dotsInWord);
  const flaws = typeof weights === "number" ? `isFlawed${view.v} || isFlawed${weights}` : `isFlawed${view.v}`;
  return `{
        ${typeof weights === "number" ? finishSoftmax(dot, weights) : ""}
        let isLow = (${lostWord(dot)} & ${bit(first)}) != 0u;
        let isHigh = (${lostWord(dot)} & ${bit(first + 1)}) != 0u;
        var value = select(select(${dot.sum}, uniforms.INFINITY, isHigh), -uniforms.INFINITY, isLow);
        value = select(value, uniforms.NAN, (isLow && isHigh) || ${flaws});
        ${write(plan.columns.views[view.v].dots[k], "value")}
      }`;
}

/** From Σ_{j≠y} exp(x_j) … to Σ_j p_j …, p being the softmax of view `k`. */
function finishSoftmax(dot: IndexedDot, k: number): string {
  const { view, table } = dot;
  const y = `excluded${k}`;
  const weight = table === null ? `probability${k}` : `probability${k} * ${at(table, y)}`;
  const x = entry(view, view.v, `${view.of}[start + ${y}]`, y);
  const own =
    dot.times === "nothing"
      ? `${dot.sum} += ownWeight;`
      : `let ownX = ${x};
        ${addTerm(dot, dot.sum, "ownWeight", "ownX")}`;
  return `
        ${dot.sum} *= share${k};
        let ownWeight = ${weight};
        ${own}`;
}
