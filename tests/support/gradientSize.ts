import { type AnyLoss, evaluateGradient, type PlainBatch } from "lossmith";
import { flat } from "./numbers.ts";

/**
 * A hundredth of the largest entry of the gradient at equal logits, with the first class as the label where labels are
 * soft. Elsewhere a gradient may be a small difference of parts of the size that it has there, and floating point has no
 * more digits for it than for its parts.
 */
export function gradientSize(loss: AnyLoss, batch: PlainBatch): number {
  const labels = depth(batch.labels) === depth(batch.logits) ? firstClass(batch.labels) : batch.labels;
  const gradient = flat(evaluateGradient(loss, { ...batch, logits: zeros(batch.logits), labels } as PlainBatch));
  return 0.01 * gradient.reduce((max, g) => Math.max(max, Math.abs(g)), 0);
}

function depth(nested: unknown): number {
  return Array.isArray(nested) ? 1 + depth(nested[0]) : 0;
}

function zeros(nested: unknown): unknown {
  return Array.isArray(nested) ? nested.map(zeros) : 0;
}

/** One-hot rows in place of soft labels. */
function firstClass(nested: unknown): unknown {
  if (!Array.isArray(nested)) return nested;
  return Array.isArray(nested[0]) ? nested.map(firstClass) : nested.map((_, c) => (c === 0 ? 1 : 0));
}
