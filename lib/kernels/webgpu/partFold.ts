/**
 * The source of the second of two programs over rows in parts, which folds the parts of a row. With x_p the entry of part p that its
 * sums are relative to, seen from the row's highest entry,
 *     Σ exp(x_j) = Σ_p exp(x_p) Σ_{j in p} exp(x_j − x_p)
 *     Σ exp(x_j) x_j = Σ_p exp(x_p) (Σ_{j in p} exp(x_j − x_p) (x_j − x_p) + x_p Σ_{j in p} exp(x_j − x_p))
 *     Σ w_j x_j = Σ_p (Σ_{j in p} w_j (x_j − x_p) + x_p Σ_{j in p} w_j)
 * where all that is added up has one sign, so that no digits are lost. The label is left out of all of these, and added at
 * the end; without labels the highest entry of a part is left out of its exponentials.
 */
import { at, declareEntry, entry, lowest } from "./entries.ts";
import { declareHeight, declareShift } from "./highest.ts";
import { columnsOf, type PartColumns, type PartOfDot, type PartOfView } from "./partColumns.ts";
import { foldingLanes } from "./parts.ts";
import { type IndexedDot, type IndexedView, indexedDots, indexedViews, type RowsPlan } from "./plan.ts";
import { prelude } from "./prelude.ts";
import { declareReduction, declareSlot, type Folding, type Reduced, reduction } from "./reduce.ts";
import { addOwnTerm, writeRow } from "./statistics.ts";
import { exponentialSumsOf, isSummed, lostBits, lostOf, lostWord } from "./sums.ts";

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

  ${writeRow(plan, views, dots, (dot) => finish(dot, hasLabels, columns, partial))}
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
