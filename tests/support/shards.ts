/** A batch in two uneven halves, and a loss, for the test of two processes. */
import {
  add,
  classWeights,
  crossEntropy,
  ignoreIndex,
  type Kind,
  type Loss,
  labelSmoothing,
  mean,
  pipe,
} from "lossmith";

export const accumulationLoss: Loss<"logits", Exclude<Kind, "already reduced per token">> = pipe(
  crossEntropy,
  classWeights([1, 2, 3]),
  labelSmoothing(0.1),
  add(pipe(crossEntropy, mean)),
  ignoreIndex(-1),
);

const logits = [
  [1, 2, 0],
  [0.5, 0, 0],
  [3, 1, 2],
  [0, 0, 1],
  [2, 2, 2],
];
const labels = [0, -1, 2, 1, 1];

/** The first two rows, the other three, or all. */
export function shardOf(shard: number | null): { readonly logits: number[][]; readonly labels: number[] } {
  const [from, to] = shard === null ? [0, 5] : shard === 0 ? [0, 2] : [2, 5];
  return { logits: logits.slice(from, to), labels: labels.slice(from, to) };
}
