/**
 * The source of the forward pass over rows that are not read in parts. The lanes of a row find its highest entry in each
 * view, then sum exponentials relative to it, while the row is in cache; the first lane makes statistics of the sums.
 */
import { readLogits } from "./entries.ts";
import { declareHighest, declareOrigin, findHighest, highestOf } from "./highest.ts";
import { declareLabels, type IndexedDot, indexedDots, indexedViews, type RowsPlan } from "./plan.ts";
import { prelude } from "./prelude.ts";
import { declareReduction, declareSlot, type Reduced, reduction } from "./reduce.ts";
import { weightAt, writeRow } from "./statistics.ts";
import { declareSums, exponentialSumsOf, lostOf, sumDot, sumLoop, sumView, weightSum } from "./sums.ts";

export function forwardSource(plan: RowsPlan): string {
  const views = indexedViews(plan);
  const dots = indexedDots(views);
  const highest = highestOf(views);
  const sums = [...exponentialSumsOf(views), ...dots.flatMap(sumsOf)];
  const lost = lostOf(dots);
  const folded: Reduced[] = [...sums.map((name): Reduced => ({ name, by: "precise sum" })), ...lost];
  const terms = [...views.map((view) => sumView(view, dots)), ...dots.map(sumOfDot)].join("\n");
  return `
${prelude(views)}
${declareReduction(plan, highest, folded)}

fn main(index : i32) {
  let lane = index & ${plan.lanes - 1};
  ${declareSlot(plan)}
  let given = index / ${plan.lanes};
  let row = min(given, uniforms.rows - 1);
  let isRow = given < uniforms.rows;
  let isValid = ${plan.hasValid ? "isRow && valid[row] != 0" : "isRow"};
  let first = lane;
  let end = select(0, uniforms.classes, isValid);
  let start = row * uniforms.classes;
  ${declareLabels(plan)}

  var flaws = 0u;
  ${views.map((view) => declareHighest(view)).join("\n")}
  for (var j = first; j < end; j += ${plan.lanes}) {
    ${readLogits(plan)}
    ${views.map((view) => findHighest(view)).join("\n")}
  }
  ${reduction(highest, plan)}
  ${views.map((view) => declareOrigin(view)).join("\n")}

  ${declareSums(sums, lost)}
  ${sumLoop(plan, sums, dots, terms)}
  ${reduction(folded, plan)}

  ${writeRow(plan, views, dots, {
    atLabel: (name) => `${name}[start + label]`,
    ownWeight: (dot) => weightAt(dot, (name) => `${name}[start + excluded${dot.view.v}]`),
  })}
}
`;
}

function sumsOf(dot: IndexedDot): readonly string[] {
  return dot.times === "nll" ? [dot.sum, weightSum(dot)] : [dot.sum];
}

function sumOfDot(dot: IndexedDot): string {
  const { view, times } = dot;
  return sumDot(dot, `(x${view.v} - shift${view.v})`, times === "nll" ? `${weightSum(dot)}Part += weight;` : "");
}
