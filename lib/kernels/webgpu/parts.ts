/**
 * The forward pass over long rows: a workgroup that has one to itself reads it twice from memory, where it should from cache
 * the second time, and where rows are few most of the device is idle. So a row is cut into parts. A first program sums each part relative to the part's own highest entry, as the forward pass does
 * with a row; it is the one that reads the logits. A second folds the parts of a row: with x_p the entry of part p that its
 * sums are relative to, seen from the row's highest entry,
 *     Σ exp(x_j) = Σ_p exp(x_p) Σ_{j in p} exp(x_j − x_p)
 *     Σ exp(x_j) x_j = Σ_p exp(x_p) (Σ_{j in p} exp(x_j − x_p) (x_j − x_p) + x_p Σ_{j in p} exp(x_j − x_p))
 *     Σ w_j x_j = Σ_p (Σ_{j in p} w_j (x_j − x_p) + x_p Σ_{j in p} w_j)
 * where all that is added up has one sign, so that no digits are lost. The label is left out of all of these, and added at
 * the end; without labels the highest entry of a part is left out of its exponentials.
 */
import { arithmetic, twoFloats } from "./arithmetic.ts";
import { at, cappedEntries, declareEntry, entry, lostEntries, lowest, readLogits } from "./entries.ts";
import { declareHeight, declareHighest, declareShift, findHighest, highestOf, isPlaced } from "./highest.ts";
import { type IndexedDot, type IndexedView, indexedDots, indexedViews, type RowsPlan } from "./plan.ts";
import { workgroupSize } from "./program.ts";
import { declareReduction, declareSlot, type Folding, type Reduced, reduction } from "./reduce.ts";
import { addOwnTerm, writeDot, writeView } from "./statistics.ts";
import {
  addTerm,
  declareLost,
  declareSums,
  exponentialSumsOf,
  isSummed,
  lostBits,
  lostOf,
  lostWord,
  sumLoop,
  sumView,
  weightOf,
} from "./sums.ts";

/** Parts are at least so long that what a workgroup does beside reading its part is little. */
const shortestPart = 4096;

/**
 * Parts are at most so long that they are still in cache when they are read the second time: the thousand workgroups that a
 * large device has at work together hold 32 MB of logits then.
 */
const longestPart = 8192;

/** Workgroups that keep a large device busy. */
const enoughWorkgroups = 512;

/**
 * In how many parts each of so many rows is read, a workgroup a part: as many as it takes for parts to stay in cache, and
 * where rows are few, so many that the device has enough to do, as long as parts do not become too short. 1 for rows that
 * are short.
 */
export function partsOfForward(rows: number, classes: number): number {
  const enough = Math.ceil(enoughWorkgroups / Math.max(1, rows));
  return Math.max(Math.min(enough, Math.floor(classes / shortestPart)), Math.ceil(classes / longestPart), 1);
}

/** How many entries a part has, given how many parts there are at most; parts begin where a cache line does, about. */
export function spanOf(classes: number, parts: number): number {
  const aligned = 16;
  return Math.ceil(classes / parts / aligned) * aligned;
}

/** How many lanes fold the parts of a row. */
export function foldingLanes(parts: number): number {
  return Math.min(workgroupSize, 2 ** Math.ceil(Math.log2(parts)));
}

// ----------------------------------------------------------------------------------------- what is kept of a part

interface PartOfView {
  /** What orders the highest entries, at or below `lowest` where there is none. */
  readonly top: number;
  /** The logit that the sums are relative to; the same as `top` where its place is not needed. */
  readonly logit: number;
  /** Where that is. */
  readonly at: number | null;
}

interface PartOfDot {
  /** Σ w_j of the entries that are not −∞. */
  readonly weight: number | null;
  /** Of a dot by a softmax: the largest of the exponentials that weigh an entry of −∞. */
  readonly lost: number | null;
}

/** The numbers of a part, by their columns. */
interface PartColumns {
  readonly flaws: number;
  readonly views: ReadonlyMap<number, PartOfView>;
  readonly dots: ReadonlyMap<string, PartOfDot>;
  /** Sums and words of bits, by the names of their variables; a word takes two columns. */
  readonly named: ReadonlyMap<string, number>;
  /** The label's logits and its target, by their names. */
  readonly own: ReadonlyMap<string, number>;
  readonly count: number;
}

function columnsOf(plan: RowsPlan): PartColumns {
  const views = indexedViews(plan);
  const dots = indexedDots(views);
  let count = 0;
  const column = (width = 1): number => {
    count += width;
    return count - width;
  };
  const own = plan.hasLabels ? ["logits", "teacher", "targets"].filter((name) => isRead(views, dots, name)) : [];
  return {
    flaws: column(),
    views: new Map(
      views.map((view) => {
        const top = column();
        const placed = isPlaced(view, plan.hasLabels);
        return [view.v, { top, logit: placed ? column() : top, at: placed ? column() : null }];
      }),
    ),
    dots: new Map(
      dots.map((dot) => [
        dot.sum,
        {
          weight: dot.times === "logits" ? column() : null,
          lost: typeof dot.weights === "number" && dot.times === "logits" ? column() : null,
        },
      ]),
    ),
    named: new Map([
      ...[...exponentialSumsOf(views), ...dots.map(({ sum }) => sum)].map((name) => [name, column()] as const),
      ...lostOf(dots).map(({ name }) => [name, column(2)] as const),
    ]),
    own: new Map(own.map((name) => [name, column()])),
    count,
  };
}

function isRead(views: readonly IndexedView[], dots: readonly IndexedDot[], name: string): boolean {
  return views.some(({ of }) => of === name) || dots.some(({ weights }) => weights === name);
}

/** How many numbers are kept of a part. */
export function partWidth(plan: RowsPlan): number {
  return columnsOf(plan).count;
}

// ---------------------------------------------------------------------------------------------------- the first program

function weightSum({ sum }: IndexedDot): string {
  return `${sum}Weight`;
}

function lostWeight({ sum }: IndexedDot): string {
  return `${sum}Lost`;
}

export function partsSource(plan: RowsPlan): string {
  const { lanes, hasLabels } = plan;
  const views = indexedViews(plan);
  const dots = indexedDots(views);
  const columns = columnsOf(plan);
  const highest = highestOf(views, hasLabels);
  const weighed = dots.filter((dot) => columns.dots.get(dot.sum)?.lost != null);
  const timesLogits = dots.filter(({ times }) => times === "logits");
  const sums = [...exponentialSumsOf(views), ...dots.map(({ sum }) => sum), ...timesLogits.map(weightSum)];
  const lost = lostOf(dots);
  const folded: Reduced[] = [
    ...sums.map((name): Reduced => ({ name, by: "precise sum" })),
    ...weighed.map((dot): Reduced => ({ name: lostWeight(dot), by: "max" })),
    ...lost,
  ];
  const terms = [...views.map((view) => sumView(view, dots)), ...dots.map((dot) => sumDot(dot, hasLabels))].join("\n");
  const write = (column: number | null, value: string): string =>
    column === null ? "" : `result[base + ${column}] = ${value};`;
  return `
${arithmetic}
${twoFloats}
${lostEntries}
${views.some(({ cap }) => cap !== null) ? cappedEntries : ""}
${declareReduction(plan, highest, folded)}

fn main(index : i32) {
  let lane = index & ${lanes - 1};
  ${declareSlot(plan)}
  let given = index / ${lanes};
  let isPart = given < uniforms.rows * uniforms.parts;
  let row = min(given / uniforms.parts, uniforms.rows - 1);
  let begin = (given % uniforms.parts) * uniforms.span;
  let isValid = ${plan.hasValid ? "isPart && valid[row] != 0" : "isPart"};
  let first = begin + lane;
  let end = select(0, min(begin + uniforms.span, uniforms.classes), isValid);
  let start = row * uniforms.classes;
  ${hasLabels ? "let label = clamp(labels[row], 0, uniforms.classes - 1);" : ""}

  var flaws = 0u;
  ${views.map((view) => declareHighest(view)).join("\n")}
  for (var j = first; j < end; j += ${lanes}) {
    ${readLogits(plan)}
    ${views.map((view) => findHighest(view, hasLabels)).join("\n")}
  }
  ${reduction(highest, plan)}
  ${views.map((view) => declarePartOrigin(view, hasLabels)).join("\n")}

  ${declareSums(sums, lost)}
  ${weighed.map((dot) => `var ${lostWeight(dot)} = 0.0;`).join("\n")}
  ${sumLoop(plan, sums, dots, terms)}
  ${reduction(folded, plan)}

  if (lane == 0 && isPart) {
    let base = given * ${columns.count};
    ${write(columns.flaws, "f32(flaws)")}
    ${views
      .map(({ v }) => {
        const { top, logit, at: position } = columns.views.get(v) as PartOfView;
        return [
          write(top, `top${v}`),
          logit === top ? "" : write(logit, `origin${v}`),
          write(position, `f32(topAt${v})`),
        ].join("\n");
      })
      .join("\n")}
    ${dots
      .map((dot) => {
        const { weight, lost: column } = columns.dots.get(dot.sum) as PartOfDot;
        return write(weight, weightSum(dot)) + write(column, lostWeight(dot));
      })
      .join("\n")}
    ${[...columns.named]
      .map(([name, column]) =>
        lost.some((word) => word.name === name)
          ? `${write(column, `f32(${name} & 0xffffu)`)} ${write(column + 1, `f32(${name} >> 16u)`)}`
          : write(column, name),
      )
      .join("\n")}
    ${[...columns.own].map(([name, column]) => write(column, `${name}[start + label]`)).join("\n")}
  }
}
`;
}

/** The origin of a part is its highest entry; where there is none the sums are 0, whatever they are relative to. */
function declarePartOrigin(view: IndexedView, hasLabels: boolean): string {
  const { v, bias } = view;
  const placed = `select(0.0, ${view.of}[start + topAt${v}], isFound${v})`;
  return `
  let isFound${v} = top${v} > ${lowest};
  let excluded${v} = ${hasLabels ? "label" : `topAt${v}`};
  let origin${v} = ${isPlaced(view, hasLabels) ? placed : `select(0.0, top${v}, isFound${v})`};
  ${bias === null ? "" : `let originBias${v} = select(0.0, ${at(bias, `topAt${v}`)}, isFound${v});`}
  ${declareEntry(view, v)}`;
}

/** What entry j of a part adds to a dot: nothing at the label. */
function sumDot(dot: IndexedDot, hasLabels: boolean): string {
  const { view, times, sum, weights } = dot;
  const weight = weightOf(dot, "j", "target_j", hasLabels ? "e" : "whole");
  const unlessLabel = hasLabels ? `select(${weight}, 0.0, j == label)` : weight;
  if (times === "nothing") return `${sum}Part += ${unlessLabel};`;
  const exponential = `${hasLabels ? "e" : "whole"}${weights}`;
  const largest = `${lostWeight(dot)} = max(${lostWeight(dot)}, select(0.0, ${exponential}, isLost && !isZero(weight)));`;
  return `{
        let weight = ${unlessLabel};
        ${declareLost(`x${view.v}`)}
        ${addTerm(dot, `${sum}Part`, "weight", `x${view.v}`)}
        ${weightSum(dot)}Part += select(weight, 0.0, isLost);
        ${typeof weights === "number" ? largest : ""}
      }`;
}

// --------------------------------------------------------------------------------------------------- the second program

export function foldSource(plan: RowsPlan, parts: number): string {
  const { hasLabels } = plan;
  const lanes = foldingLanes(parts);
  // Its rows have few lanes.
  const folding: Folding = { lanes, subgroups: false };
  const views = indexedViews(plan);
  const dots = indexedDots(views);
  const columns = columnsOf(plan);
  const highest: Reduced[] = [
    { name: "flaws", by: "or" },
    ...views.map(({ v }): Reduced => ({ name: `top${v}`, by: "max", position: `topPart${v}` })),
  ];
  const sums = [...exponentialSumsOf(views), ...dots.map(({ sum }) => sum)];
  const lost = lostOf(dots);
  const folded: Reduced[] = [...sums.map((name): Reduced => ({ name, by: "precise sum" })), ...lost];
  const partial = (base: string, column: number): string => at(plan.rowData["partials"], `${base} + ${column}`);
  return `
${arithmetic}
${twoFloats}
${lostEntries}
${views.some(({ cap }) => cap !== null) ? cappedEntries : ""}
${declareReduction(folding, highest, folded)}

fn main(index : i32) {
  let lane = index & ${lanes - 1};
  ${declareSlot(folding)}
  let given = index / ${lanes};
  let row = min(given, uniforms.rows - 1);
  let isRow = given < uniforms.rows;
  let isValid = ${plan.hasValid ? "isRow && valid[row] != 0" : "isRow"};
  let end = select(0, uniforms.parts, isValid);
  let firstPart = row * uniforms.parts;
  let ofRow = firstPart * ${columns.count};
  ${hasLabels ? "let label = clamp(labels[row], 0, uniforms.classes - 1);" : ""}

  var flaws = 0u;
  ${views.map((view) => `var top${view.v} = -3.4e38; var topPart${view.v} = 0; ${declareHeight(view)}`).join("\n")}
  for (var p = lane; p < end; p += ${lanes}) {
    let part = ofRow + p * ${columns.count};
    flaws |= u32(${partial("part", columns.flaws)});
    ${views
      .map(({ v }) => {
        const { top } = columns.views.get(v) as PartOfView;
        return `{
      let height = ${partial("part", top)};
      if (height > top${v}) {
        top${v} = height;
        topPart${v} = p;
      }
    }`;
      })
      .join("\n")}
  }
  ${reduction(highest, folding)}
  ${views.map((view) => declareRowOrigin(view, hasLabels, columns, partial)).join("\n")}

  ${sums.map((name) => `var ${name} = 0.0;`).join("\n")}
  ${lost.map(({ name }) => `var ${name} = 0u;`).join("\n")}
  for (var p = lane; p < end; p += ${lanes}) {
    let part = ofRow + p * ${columns.count};
    ${views.map((view) => foldView(view, hasLabels, columns, partial)).join("\n")}
    ${dots.map((dot) => foldDot(dot, columns, partial)).join("\n")}
  }
  ${reduction(folded, folding)}

  if (lane == 0 && isRow) {
    let base = row * ${plan.columns.count};
    if (!isValid) {
      for (var k = 0; k < ${plan.columns.count}; k++) {
        result[base + k] = 0.0;
      }
    } else {
      ${views.map((view) => writeView(plan, view)).join("\n")}
      ${dots.map((dot) => writeDot(plan, dot, finish(dot, hasLabels, columns, partial))).join("\n")}
    }
  }
}
`;
}

/** Reads a column of the part that begins at `base`. */
type Partial = (base: string, column: number) => string;

function declareRowOrigin(view: IndexedView, hasLabels: boolean, columns: PartColumns, partial: Partial): string {
  const { v, bias, of } = view;
  const { logit, at: position } = columns.views.get(v) as PartOfView;
  const y = `excluded${v}`;
  const topAt = position === null ? "" : `let topAt${v} = i32(${partial(`top${v}Part`, position)});`;
  return `
  let isFound${v} = top${v} > ${lowest};
  let top${v}Part = ofRow + topPart${v} * ${columns.count};
  ${topAt}
  let ${y} = ${hasLabels ? "label" : `topAt${v}`};
  let topLogit${v} = ${partial(`top${v}Part`, logit)};
  let ownLogit${v} = ${hasLabels ? partial("ofRow", columns.own.get(of) as number) : `select(-uniforms.INFINITY, topLogit${v}, isFound${v})`};
  let origin${v} = select(ownLogit${v}, topLogit${v}, isFound${v});
  ${position === null ? "" : `let originAt${v} = select(${y}, topAt${v}, isFound${v});`}
  ${bias === null ? "" : `let originBias${v} = ${at(bias, `originAt${v}`)};`}
  ${declareEntry(view, v)}
  ${declareShift(view)}`;
}

/** x_p and exp(x_p), and what a part adds to the sums of exponentials. */
function foldView(view: IndexedView, hasLabels: boolean, columns: PartColumns, partial: Partial): string {
  const { v } = view;
  const { top, logit, at: position } = columns.views.get(v) as PartOfView;
  const place = position === null ? "0" : `i32(${partial("part", position)})`;
  const others = partial("part", columns.named.get(`others${v}`) ?? 0);
  // Without labels the highest entry of each part is left out of its sum, and that of the row alone is to be.
  const whole = hasLabels ? others : `${others} + select(0.0, 1.0, p != topPart${v})`;
  const weighted = `
      weighted${v} += factor${v} * fma(max(x${v}, -88.0), others${v}Here, ${partial("part", columns.named.get(`weighted${v}`) ?? 0)});`;
  const exponentials = `
      let factor${v} = select(0.0, exponential(x${v}), isHere${v});
      let others${v}Here = ${whole};
      others${v} += factor${v} * others${v}Here;
      ${view.wanted.includes("e") ? weighted : ""}`;
  return `
      let isHere${v} = ${partial("part", top)} > ${lowest};
      let x${v} = select(0.0, ${entry(view, v, partial("part", logit), place)}, isHere${v});
      ${isSummed(view) ? exponentials : ""}`;
}

function foldDot(dot: IndexedDot, columns: PartColumns, partial: Partial): string {
  const { view, times, sum, weights } = dot;
  const { weight, lost } = columns.dots.get(sum) as PartOfDot;
  const own = partial("part", columns.named.get(sum) as number);
  const value =
    times === "nothing" || weight === null
      ? own
      : `fma(x${view.v} - shift${view.v}, ${partial("part", weight)}, ${own})`;
  const factor = typeof weights === "number" ? `factor${weights} * ` : "";
  const word = lostWord(dot);
  const column = columns.named.get(word) as number;
  const { low, high } = lostBits(dot);
  const bits = `(u32(${partial("part", column)}) | (u32(${partial("part", column + 1)}) << 16u)) & (${low} | ${high})`;
  // An entry whose weight is 0 in the row may have had one in the part.
  const kept = lost === null ? bits : `select(0u, ${bits}, factor${weights} * ${partial("part", lost)} > 0.0)`;
  return `
      ${sum} += ${factor}${factor === "" ? value : `(${value})`};
      ${word} |= ${kept};`;
}

/** Makes probabilities of exponentials, and adds the label's term. */
function finish(dot: IndexedDot, hasLabels: boolean, columns: PartColumns, partial: Partial): string {
  const { weights, view, sum } = dot;
  const share = typeof weights === "number" ? `${sum} *= share${weights};` : "";
  if (!hasLabels) return share;
  const weight =
    typeof weights === "number"
      ? `probability${weights}`
      : weights === "targets"
        ? partial("ofRow", columns.own.get("targets") as number)
        : "1.0";
  return `
        ${share}
        ${addOwnTerm(dot, "label", weight, `ownLogit${view.v}`)}`;
}
