import { type AnyLoss, evaluateGradient, type PlainBatch } from "lossmith";
import { flat } from "./numbers.ts";

/**
 * A hundredth of the largest entry of the gradient at equal logits. Elsewhere a gradient may be a small difference of
 * parts of the size that it has there, and float32 has no more digits for it than for its parts.
 */
export function gradientSize(loss: AnyLoss, batch: PlainBatch): number {
  const equal = (nested: unknown): unknown => (Array.isArray(nested) ? nested.map(equal) : 0);
  const gradient = flat(evaluateGradient(loss, { ...batch, logits: equal(batch.logits) as number[] }));
  return 0.01 * gradient.reduce((max, g) => Math.max(max, Math.abs(g)), 0);
}
