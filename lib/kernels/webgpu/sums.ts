/** Sums over the entries of a row, or of a part of one, relative to an origin in each view. */
import type { StatisticName } from "../rowStatistics.ts";
import { at, entry, logitOf, readLogits } from "./entries.ts";
import { bit } from "./highest.ts";
import type { IndexedDot, IndexedView, RowsPlan, ViewPlan } from "./plan.ts";
import type { Reduced } from "./reduce.ts";

/** So many terms are added up in one float32; these sums are then added in two. */
const termsInOne = 32;

/** Bits of a `lost` variable: a dot has one for −∞ and one for ∞. */
const dotsInWord = 16;

/** Whether a view's exponentials are summed. */
export function isSummed({ wanted, weighs, dots }: ViewPlan): boolean {
  const names: readonly StatisticName[] = ["s", "n", "r", "e"];
  return weighs || dots.some((dot) => dot?.times === "nll") || names.some((name) => wanted.includes(name));
}

/** Σ exp(x_j) and Σ exp(x_j) x_j of each view, where they are wanted. */
export function exponentialSumsOf(views: readonly IndexedView[]): readonly string[] {
  return views.flatMap((view) => [
    ...(isSummed(view) ? [`others${view.v}`] : []),
    ...(view.wanted.includes("e") ? [`weighted${view.v}`] : []),
  ]);
}

export function lostOf(dots: readonly IndexedDot[]): readonly Reduced[] {
  return [...new Set(dots.map(lostWord))].map((name) => ({ name, by: "or" }));
}

/** The word with the bits that tell whether a dot adds −∞ or ∞. */
export function lostWord({ view, k }: IndexedDot): string {
  return `lost${view.v}x${Math.floor(k / dotsInWord)}`;
}

/** The two bits of a dot. */
export function lostBits({ k }: IndexedDot): { readonly low: string; readonly high: string } {
  const first = 2 * (k % dotsInWord);
  return { low: bit(first), high: bit(first + 1) };
}

/** Adds up `sums`, given what an entry j adds to them; entries from `first` on, in the strides of lanes, to `end`. */
export function sumLoop(plan: RowsPlan, sums: readonly string[], dots: readonly IndexedDot[], terms: string): string {
  if (sums.length === 0) return "";
  return `
  for (var block = first; block < end; block += ${plan.lanes * termsInOne}) {
    let blockEnd = min(end, block + ${plan.lanes * termsInOne});
    ${sums.map((name) => `var ${name}Part = 0.0;`).join("\n")}
    for (var j = block; j < blockEnd; j += ${plan.lanes}) {
      ${readLogits(plan)}
      ${dots.some(({ weights }) => weights === "targets") ? "let target_j = targets[start + j];" : ""}
      ${terms}
    }
    ${sums.map(addPart).join("\n")}
  }
  ${sums.map((name) => `${name} += ${name}Low;`).join("\n")}`;
}

export function declareSums(sums: readonly string[], lost: readonly Reduced[]): string {
  return `
  ${sums.map((name) => `var ${name} = 0.0; var ${name}Low = 0.0;`).join("\n")}
  ${lost.map(({ name }) => `var ${name} = 0u;`).join("\n")}`;
}

function addPart(name: string): string {
  return `{
      let sum = sumOf(${name}, ${name}Part);
      ${name} = sum.x;
      ${name}Low += sum.y;
    }`;
}

/** What entry j adds to the sums of exponentials: nothing if it is the excluded one. `whole` is with that. */
export function sumView(view: IndexedView, dots: readonly IndexedDot[]): string {
  const { v } = view;
  const isDotted = dots.some((dot) => dot.view.v === v && dot.times !== "nothing");
  if (!isSummed(view) && !isDotted) return "";
  const exponential = `
      let whole${v} = exponential(x${v});
      let e${v} = select(whole${v}, 0.0, j == excluded${v});
      others${v}Part += e${v};`;
  return `
      let x${v} = ${entry(view, v, logitOf(view), "j")};
      ${isSummed(view) ? exponential : ""}
      ${view.wanted.includes("e") ? `weighted${v}Part += e${v} * max(x${v}, -88.0);` : ""}`;
}

/** The variable of Σ w_j u_j. */
export function weightSum({ sum }: IndexedDot): string {
  return `${sum}Weight`;
}

/** exp(x_j) of a view that weighs; 0 at a label that is left out, where it may be too large. */
export function exponentialOf({ v, isLabelled }: IndexedView): string {
  return `${isLabelled ? "e" : "whole"}${v}`;
}

/** w_j u_j, with exponentials for probabilities. */
function weightOf({ weights, weighing, table }: IndexedDot): string {
  const u = table === null ? [] : [at(table, "j")];
  const w = weighing !== null ? [exponentialOf(weighing)] : weights === "targets" ? ["target_j"] : [];
  return [...w, ...u].join(" * ") || "1.0";
}

/**
 * What entry j, which is `x` in the dot's view, adds to a dot, and what else its `weight` is for. A label that is left out
 * adds nothing, and to a cross entropy neither does the highest entry.
 */
export function sumDot(dot: IndexedDot, x: string, more: string): string {
  const { view, times, sum } = dot;
  const weight = weightOf(dot);
  if (times === "nothing") return `${sum}Part += ${weight};`;
  const isWhole = times === "logits" && !view.isLabelled;
  return `{
        let weight = ${isWhole ? weight : `select(${weight}, 0.0, j == excluded${view.v})`};
        ${declareLost(`x${view.v}`)}
        ${addTerm(dot, `${sum}Part`, "weight", x)}
        ${more}
      }`;
}

/** Adds weight · x to a sum: nothing where the weight is 0, and −∞, which `x` may be by `isLost`, to a word of bits. */
export function addTerm(dot: IndexedDot, sum: string, weight: string, x: string): string {
  const { low, high } = lostBits(dot);
  return `${sum} += select(${weight} * ${x}, 0.0, isLost || isZero(${weight}));
        ${lostWord(dot)} |= select(0u, select(${low}, ${high}, ${weight} < 0.0), isLost && !isZero(${weight}));`;
}

/** Whether an entry is −∞. */
export function declareLost(x: string): string {
  return `let isLost = ${x} < -1e38;`;
}
