/**
 * The source of the first of two programs over rows in parts, which reads the logits: it sums each part relative to the part's
 * own highest entry, as the forward pass does with a row.
 */
import { at, declareEntry, lowest, readLogits } from "./entries.ts";
import { declareHighest, findHighest, highestOf, isPlaced } from "./highest.ts";
import { columnsOf, type PartOfDot, type PartOfView } from "./partColumns.ts";
import { declareLabels, type IndexedDot, type IndexedView, indexedDots, indexedViews, type RowsPlan } from "./plan.ts";
import { prelude } from "./prelude.ts";
import { declareReduction, declareSlot, type Reduced, reduction } from "./reduce.ts";
import { weightAt } from "./statistics.ts";
import { declareSums, exponentialOf, exponentialSumsOf, lostOf, sumDot, sumLoop, sumView, weightSum } from "./sums.ts";

function lostWeight({ sum }: IndexedDot): string {
  return `${sum}Lost`;
}

export function partsSource(plan: RowsPlan): string {
  const { lanes } = plan;
  const views = indexedViews(plan);
  const dots = indexedDots(views);
  const columns = columnsOf(plan);
  const highest = highestOf(views);
  const weighed = dots.filter((dot) => columns.dots.get(dot.sum)?.lost != null);
  const ofEntries = dots.filter(({ times }) => times !== "nothing");
  const sums = [...exponentialSumsOf(views), ...dots.map(({ sum }) => sum), ...ofEntries.map(weightSum)];
  const lost = lostOf(dots);
  const folded: Reduced[] = [
    ...sums.map((name): Reduced => ({ name, by: "precise sum" })),
    ...weighed.map((dot): Reduced => ({ name: lostWeight(dot), by: "max" })),
    ...lost,
  ];
  const terms = [...views.map((view) => sumView(view, dots)), ...dots.map(sumOfDot)].join("\n");
  const write = (column: number | null, value: string): string =>
    column === null ? "" : `result[base + ${column}] = ${value};`;
  return `
${prelude(views)}
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
  ${declareLabels(plan)}

  var flaws = 0u;
  ${views.map((view) => declareHighest(view)).join("\n")}
  for (var j = first; j < end; j += ${lanes}) {
    ${readLogits(plan)}
    ${views.map((view) => findHighest(view)).join("\n")}
  }
  ${reduction(highest, plan)}
  ${views.map((view) => declarePartOrigin(view)).join("\n")}

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
        const { weight, own, lost: column } = columns.dots.get(dot.sum) as PartOfDot;
        return [
          write(weight, weightSum(dot)),
          own === null ? "" : writeOwn(dot, `result[base + ${own}]`),
          write(column, lostWeight(dot)),
        ].join("\n");
      })
      .join("\n")}
    ${[...columns.named]
      .map(([name, column]) =>
        lost.some((word) => word.name === name)
          ? `${write(column, `f32(${name} & 0xffffu)`)} ${write(column + 1, `f32(${name} >> 16u)`)}`
          : write(column, name),
      )
      .join("\n")}
    ${[...columns.own].map(([name, column]) => write(column, name)).join("\n")}
  }
}
`;
}

/** The origin of a part is its highest entry; where there is none the sums are 0, whatever they are relative to. */
function declarePartOrigin(view: IndexedView): string {
  const { v, bias, isLabelled } = view;
  const placed = `select(0.0, ${view.of}[start + topAt${v}], isFound${v})`;
  return `
  let isFound${v} = top${v} > ${lowest};
  let excluded${v} = ${isLabelled ? view.label : `select(-1, topAt${v}, isFound${v})`};
  let origin${v} = ${isPlaced(view) ? placed : `select(0.0, top${v}, isFound${v})`};
  ${bias === null ? "" : `let originBias${v} = select(0.0, ${at(bias, `topAt${v}`)}, isFound${v});`}
  ${declareEntry(view, v)}`;
}

function writeOwn(dot: IndexedDot, column: string): string {
  const { v } = dot.view;
  return `${column} = 0.0;
    if (isFound${v}) {
      ${column} = ${weightAt(dot, (name) => `${name}[start + excluded${v}]`)};
    }`;
}

function sumOfDot(dot: IndexedDot): string {
  const { view, weighing } = dot;
  const largest = (exponential: string): string =>
    `${lostWeight(dot)} = max(${lostWeight(dot)}, select(0.0, ${exponential}, isLost && !isZero(weight)));`;
  const more = `${weightSum(dot)}Part += weight;
        ${weighing === null ? "" : largest(exponentialOf(weighing))}`;
  return sumDot(dot, `x${view.v}`, more);
}
