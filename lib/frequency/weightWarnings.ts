import { showNumber } from "../loss/show.ts";
import { percent } from "./describeCounts.ts";

/** What would ruin a run, and what to do about it. */
export interface Warning {
  readonly what: string;
  readonly remedy: string;
}

/** What would ruin a run with these weights of a vocabulary whose counts may be known; `name` is what an id is called. */
export function weightWarnings(
  weights: Float64Array,
  counts: Float64Array | null,
  name: (id: number) => string = (id) => `id ${id}`,
): readonly Warning[] {
  const found: Warning[] = [];
  const positive = weights.filter((weight) => weight > 0);
  if (positive.length === 0) {
    return [
      {
        what: "every class weighs 0, so that the loss is 0",
        remedy: "give the classes that matter a weight",
      },
    ];
  }
  const factor = positive.reduce((a, b) => Math.max(a, b), 0) / positive.reduce((a, b) => Math.min(a, b), Infinity);
  if (factor > 1e4) {
    found.push({
      what: `the largest weight is ${showNumber(factor)} times the smallest, so few rows decide every step`,
      remedy: "use a smaller alpha, clip(lo, hi) or ramp(a)",
    });
  }
  if (counts === null) return found;
  const mass = weights.map((weight, id) => weight * counts[id]);
  const total = mass.reduce((sum, x) => sum + x, 0);
  const heaviest = mass.reduce((best, x, id) => (x > mass[best] ? id : best), 0);
  if (total > 0 && mass[heaviest] > total / 2) {
    found.push({
      what: `${name(heaviest)} holds ${percent(mass[heaviest] / total)} of the weighted mass`,
      remedy: `give it a weight of its own with override({ ${heaviest}: 1 })`,
    });
  }
  const tokens = counts.reduce((sum, count) => sum + count, 0);
  const unseen = weights.reduce((max, weight, id) => (counts[id] === 0 ? Math.max(max, weight) : max), 0);
  if (total > 0 && unseen > 100 * (total / tokens)) {
    found.push({
      what: `a label that the counts never saw weighs ${showNumber((unseen * tokens) / total)} times the mean token`,
      remedy: "smooth the counts with addK(1), set { unseen }, or use override for special tokens",
    });
  }
  return found;
}
