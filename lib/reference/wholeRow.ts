/** The numbers of ../loss/wholeRow.ts in float64, with their gradients. */

import { entmaxOf } from "../loss/entmax.ts";
import { at } from "../loss/schedule.ts";
import type { WholeRow } from "../loss/wholeRow.ts";
import { softmaxOf } from "./softmax.ts";

export interface ValueAndGradient {
  readonly value: number;
  readonly gradient: Float64Array;
}

export function wholeRow(of: WholeRow, logits: Float64Array, step: number): ValueAndGradient {
  const { logsumexp, nll } = softmaxOf(logits);
  if (Number.isNaN(logsumexp)) return { value: Number.NaN, gradient: logits.map(() => Number.NaN) };
  if (of.kind === "topEntropy") return topEntropy(of.k, logits);
  const alpha = at(of.alpha, step);
  const { p, value } = entmaxOf(alpha, logits);
  // Relative to the highest logit, logsumexp is the nll of that entry.
  const logSum = nll.reduce((a, b) => Math.min(a, b));
  return { value: value - logSum, gradient: p.map((x, j) => x - Math.exp(-nll[j])) };
}

/** Entries that are as high as the k-th share what is left of the k places. */
function topEntropy(k: number, logits: Float64Array): ValueAndGradient {
  const sorted = logits.slice().sort((a, b) => b - a);
  const lowest = sorted[Math.min(k, sorted.length) - 1];
  const above = sorted.filter((z) => z > lowest).length;
  const level = sorted.filter((z) => z === lowest).length;
  const share = (Math.min(k, sorted.length) - above) / level;
  const placeOf = (z: number): number => (z > lowest ? 1 : z === lowest ? share : 0);
  const { nll, entropy } = softmaxOf(sorted.slice(0, Math.min(k, sorted.length)));
  const logSum = nll[0];
  const gradient = logits.map((z) => {
    const q = placeOf(z) * Math.exp(z - sorted[0] - logSum);
    return q === 0 ? 0 : q * (logSum - (z - sorted[0]) - entropy);
  });
  return { value: entropy, gradient };
}
