/**
 * Makes the statistics of a row from its sums: q = Σ_{j≠y} exp(x_j), y being the label or the highest entry, and x_y in two
 * float32.
 */
import { at, declareEntry2, entry, entry2, lowest } from "./entries.ts";
import { bit, height } from "./highest.ts";
import type { IndexedDot, IndexedView, RowsPlan } from "./plan.ts";
import { addTerm, declareLost, isSummed, lostBits, lostWord, weightSum } from "./sums.ts";

/** Writes a column if it is wanted. */
function write(column: number | null, value: string): string {
  return column === null ? "" : `result[base + ${column}] = ${value};`;
}

/** Where a program finds what is left out of its sums, in WGSL. */
export interface RowSources {
  /** The label's number in the logits, the teacher's or the targets, given which. */
  readonly atLabel: (name: string) => string;
  /** w u at the entry that a dot's view leaves out, w as in the dot's sums. */
  readonly ownWeight: (dot: IndexedDot) => string;
}

/** The first lane of a row writes its statistics; zeros for a row that is not valid. */
export function writeRow(
  plan: RowsPlan,
  views: readonly IndexedView[],
  dots: readonly IndexedDot[],
  sources: RowSources,
): string {
  return `if (lane == 0 && isRow) {
    let base = row * ${plan.columns.count};
    if (!isValid) {
      for (var k = 0; k < ${plan.columns.count}; k++) {
        result[base + k] = 0.0;
      }
    } else {
      ${views.map((view) => writeView(plan, view)).join("\n")}
      ${dots.map((dot) => writeDot(plan, dot, sources)).join("\n")}
    }
  }`;
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
      ${write(columns.e, orNaN(`logSum${v} - expectation${v}`))}
      ${write(state.origin, orNaN(bias === null ? `origin${v}` : `f32(originAt${v})`))}
      ${write(state.excluded, `f32(${y})`)}
      ${write(state.share, `share${v}`)}
      ${write(state.inverseOfOthers, `select(1.0 / ${sum}, 0.0, !isFound${v})`)}
      ${write(state.others, `complement${v}`)}
      ${write(state.probability, `probability${v}`)}
      ${write(state.center, `expectation${v} + shift${v}`)}
      ${write(state.ownAboveCenter, `min(own${v}.x, 0.0) - expectation${v}`)}`;
}

/** Σ_j p_j (z_j − m), of terms of one sign. */
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

/** A sum is complete but for the entry that the dot's view leaves out and the label that its weights leave out. */
function completeDot(dot: IndexedDot, { atLabel, ownWeight }: RowSources): string {
  const { view, weighing, table, times, sum } = dot;
  const { v } = view;
  const share = weighing === null ? "" : ` * share${weighing.v}`;
  const u = table === null ? "" : ` * ${at(table, "label")}`;
  const labelWeight = weighing?.isLabelled ? `probability${weighing.v}${u}` : null;
  if (times === "nothing") return `${sum} = ${sum}${share}${labelWeight === null ? "" : ` + ${labelWeight}`};`;
  // The highest entry adds 0.
  if (times === "logits" && !view.isLabelled) return "";
  const elsewhere = `else {
          ${weightSum(dot)} += labelWeight;
          let labelX = ${entry(view, v, atLabel(view.of), "label")};
          ${declareLost("labelX")}
          ${addTerm(dot, sum, "labelWeight", `(labelX - shift${v})`)}
        }`;
  const ofLabel = `
        let labelWeight = ${labelWeight};
        if (label == excluded${v}) {
          ownWeight += labelWeight;
        } ${view.isLabelled ? "" : elsewhere}`;
  return `
        var ownWeight = ${ownWeight(dot)}${share};
        ${share === "" ? "" : [sum, weightSum(dot)].map((name) => `${name} = ${name}${share};`).join("\n")}
        ${labelWeight === null ? "" : ofLabel}
        let isLost = isAbsent${v};
        ${addTerm(dot, sum, "ownWeight", `min(own${v}.x, 0.0)`)}`;
}

/** A cross entropy is Σ w u s − Σ w u (z − m), of whose terms each is one that is not negative times w u. */
function writeDot(plan: RowsPlan, dot: IndexedDot, sources: RowSources): string {
  const { weights, view, k, times, sum } = dot;
  const { dots, state } = plan.columns.views[view.v];
  const { low, high } = lostBits(dot);
  const isNll = times === "nll";
  const flaws = typeof weights === "number" ? `isFlawed${view.v} || isFlawed${weights}` : `isFlawed${view.v}`;
  const kept = state.dots[k];
  return `{
        ${completeDot(dot, sources)}
        let isFlawed = ${flaws};
        let isLow = (${lostWord(dot)} & ${isNll ? high : low}) != 0u;
        let isHigh = (${lostWord(dot)} & ${isNll ? low : high}) != 0u;
        var value = ${isNll ? `(${weightSum(dot)} + ownWeight) * logSum${view.v} - ${sum}` : sum};
        value = select(select(value, uniforms.INFINITY, isHigh), -uniforms.INFINITY, isLow);
        value = select(value, uniforms.NAN, (isLow && isHigh) || isFlawed);
        ${write(dots[k], "value")}
        ${kept === null ? "" : write(kept.others, `select(${weightSum(dot)}, 0.0, isFlawed)`)}
        ${kept === null ? "" : write(kept.own, "select(ownWeight, 0.0, isFlawed)")}
      }`;
}

/** w u at the entry that a dot's view leaves out, w as in the dot's sums, given what reads an input there. */
export function weightAt({ weights, weighing, view, table }: IndexedDot, read: (name: string) => string): string {
  const y = `excluded${view.v}`;
  const u = table === null ? [] : [at(table, y)];
  if (weights === "ones") return u.join("") || "1.0";
  if (weighing === null) return [read("targets"), ...u].join(" * ");
  const exponential = `exponential(${entry(weighing, weighing.v, read(weighing.of), y)})`;
  const w = weighing.isLabelled ? `select(${exponential}, 0.0, ${y} == label)` : exponential;
  return [w, ...u].join(" * ");
}
