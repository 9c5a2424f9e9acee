import { type AnyLoss, evaluateGradient, type PlainBatch } from "lossmith";
import { flat } from "./numbers.ts";

/**
 * A twentieth of the largest entry of the gradient at equal logits, with soft labels moved to the first class: what a
 * tolerance of 2e-5 is taken relative to where a gradient is small. There it is the difference of parts that are larger
 * than that entry, so that the error allowed is a millionth of the parts, some sixteen roundings of float32.
 */
export function gradientSize(loss: AnyLoss, batch: PlainBatch): number {
  const labels = depth(batch.labels) === depth(batch.logits) ? firstClass(batch.labels) : batch.labels;
  const gradient = flat(evaluateGradient(loss, { ...batch, logits: zeros(batch.logits), labels } as PlainBatch));
  return 0.05 * gradient.reduce((max, g) => Math.max(max, Math.abs(g)), 0);
}

function depth(nested: unknown): number {
  return Array.isArray(nested) ? 1 + depth(nested[0]) : 0;
}

function zeros(nested: unknown): unknown {
  return Array.isArray(nested) ? nested.map(zeros) : 0;
}

/** Each row's mass on its first class. */
function firstClass(nested: unknown): unknown {
  if (!Array.isArray(nested)) return nested;
  if (Array.isArray(nested[0])) return nested.map(firstClass);
  const mass = flat(nested).reduce((sum, q) => sum + q, 0);
  return nested.map((_, c) => (c === 0 ? mass : 0));
}
