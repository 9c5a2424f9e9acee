/**
 * The source of the second of two programs over rows in parts, which folds the parts of a row. With x_p the entry of part p that its
 * sums are relative to, seen from the row's highest entry,
 *     Σ exp(x_j) = Σ_p exp(x_p) Σ_{j in p} exp(x_j − x_p)
 *     Σ exp(x_j) x_j = Σ_p exp(x_p) (Σ_{j in p} exp(x_j − x_p) (x_j − x_p) + x_p Σ_{j in p} exp(x_j − x_p))
 *     Σ w_j x_j = Σ_p (Σ_{j in p} w_j (x_j − x_p) + x_p Σ_{j in p} w_j)
 * where all that is added up has one sign, so that no digits are lost. A label that is left out is left out of all of these,
 * and added at the end; else the highest entry of a part is left out of its exponentials and of the weights of a cross
 * entropy, and that of the row alone stays so.
 */
import { at, declareEntry, entry, lowest } from "./entries.ts";
import { declareHeight, declareShift } from "./highest.ts";
import { columnsOf, ownName, type PartColumns, type PartOfDot, type PartOfView } from "./partColumns.ts";
import { foldingLanes } from "./parts.ts";
import { declareLabels, type IndexedDot, type IndexedView, indexedDots, indexedViews, type RowsPlan } from "./plan.ts";
import { prelude } from "./prelude.ts";
import { declareReduction, declareSlot, type Folding, type Reduced, reduction } from "./reduce.ts";
import { weightAt, writeRow } from "./statistics.ts";
import { exponentialSumsOf, isSummed, lostBits, lostOf, lostWord, weightSum } from "./sums.ts";

export function foldSource(plan: RowsPlan, parts: number): string {
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
  const sums = [...exponentialSumsOf(views), ...dots.flatMap(sumsOf)];
  const lost = lostOf(dots);
  const folded: Reduced[] = [...sums.map((name): Reduced => ({ name, by: "precise sum" })), ...lost];
  const partial = (base: string, column: number): string => at(plan.rowData["partials"], `${base} + ${column}`);
  const atLabel = (name: string): string => partial("ofRow", columns.own.get(ownName(name, "label")) as number);
  return `
${prelude(views)}
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
  ${declareLabels(plan)}

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
  ${views.map((view) => declareRowOrigin(view, columns, partial)).join("\n")}

  ${sums.map((name) => `var ${name} = 0.0;`).join("\n")}
  ${lost.map(({ name }) => `var ${name} = 0u;`).join("\n")}
  for (var p = lane; p < end; p += ${lanes}) {
    let part = ofRow + p * ${columns.count};
    ${views.map((view) => foldView(view, columns, partial)).join("\n")}
    ${dots.map((dot) => foldDot(dot, columns, partial)).join("\n")}
  }
  ${reduction(folded, folding)}

  ${writeRow(plan, views, dots, {
    atLabel,
    ownWeight: (dot) => (dot.view.isLabelled ? weightAt(dot, atLabel) : ownSum(dot)),
  })}
}
`;
}

/** Reads a column of the part that begins at `base`. */
type Partial = (base: string, column: number) => string;

function declareRowOrigin(view: IndexedView, columns: PartColumns, partial: Partial): string {
  const { v, bias, of, isLabelled } = view;
  const { logit, at: position } = columns.views.get(v) as PartOfView;
  const y = `excluded${v}`;
  const topAt = position === null ? "" : `let topAt${v} = i32(${partial(`top${v}Part`, position)});`;
  return `
  let isFound${v} = top${v} > ${lowest};
  let top${v}Part = ofRow + topPart${v} * ${columns.count};
  ${topAt}
  let ${y} = ${isLabelled ? view.label : `topAt${v}`};
  let topLogit${v} = ${partial(`top${v}Part`, logit)};
  let ownLogit${v} = ${isLabelled ? partial("ofRow", columns.own.get(ownName(of, view.label)) as number) : `select(-uniforms.INFINITY, topLogit${v}, isFound${v})`};
  let origin${v} = select(ownLogit${v}, topLogit${v}, isFound${v});
  ${position === null ? "" : `let originAt${v} = select(${y}, topAt${v}, isFound${v});`}
  ${bias === null ? "" : `let originBias${v} = ${at(bias, `originAt${v}`)};`}
  ${declareEntry(view, v)}
  ${declareShift(view)}`;
}

/** x_p and exp(x_p), and what a part adds to the sums of exponentials. */
function foldView(view: IndexedView, columns: PartColumns, partial: Partial): string {
  const { v } = view;
  const { top, logit, at: position } = columns.views.get(v) as PartOfView;
  const place = position === null ? "0" : `i32(${partial("part", position)})`;
  const others = partial("part", columns.named.get(`others${v}`) ?? 0);
  // The highest entry of each part is left out of its sum, and that of the row alone is to be.
  const whole = view.isLabelled ? others : `${others} + select(0.0, 1.0, p != topPart${v})`;
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

function sumsOf(dot: IndexedDot): readonly string[] {
  if (dot.times !== "nll") return [dot.sum];
  return dot.view.isLabelled ? [dot.sum, weightSum(dot)] : [dot.sum, weightSum(dot), ownSum(dot)];
}

/** The variable of w u at the row's highest entry, w as in the dot's sums. */
function ownSum({ sum }: IndexedDot): string {
  return `${sum}Own`;
}

function foldDot(dot: IndexedDot, columns: PartColumns, partial: Partial): string {
  const { view, times, sum, weights } = dot;
  const { weight, own, lost } = columns.dots.get(sum) as PartOfDot;
  const ofPart = partial("part", columns.named.get(sum) as number);
  const factor = typeof weights === "number" ? `factor${weights} * ` : "";
  if (times === "nothing" || weight === null) return `${sum} += ${factor}${ofPart};`;
  const isTop = `p == topPart${view.v}`;
  const word = lostWord(dot);
  const column = columns.named.get(word) as number;
  const { low, high } = lostBits(dot);
  const bits = `(u32(${partial("part", column)}) | (u32(${partial("part", column + 1)}) << 16u)) & (${low} | ${high})`;
  // An entry whose weight is 0 in the row may have had one in the part.
  const kept = lost === null ? bits : `select(0u, ${bits}, factor${weights} * ${partial("part", lost)} > 0.0)`;
  return `{
      let weight = ${partial("part", weight)}${own === null ? "" : ` + select(${partial("part", own)}, 0.0, ${isTop})`};
      ${sum} += ${factor}fma(x${view.v} - shift${view.v}, weight, ${ofPart});
      ${times === "nll" ? `${weightSum(dot)} += ${factor}weight;` : ""}
      ${own === null ? "" : `${ownSum(dot)} += select(0.0, ${factor}${partial("part", own)}, ${isTop});`}
      ${word} |= ${kept};
    }`;
}
