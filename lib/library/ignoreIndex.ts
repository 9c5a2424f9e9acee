import { refuseValues, type Whole } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { ignoreLabel } from "../loss/loss.ts";

/**
 * Rows with this label are not valid: they add nothing to the loss, to its denominators or to the gradient. Several
 * are a union, over the whole of a composed loss.
 *
 * @param label an integer, inside or outside the vocabulary; −100 is usual.
 * @throws LossError where the label is not an integer of 32 bits.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, ignoreIndex, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, ignoreIndex(-100));
 * const batch = { logits: [[2, 1, 0.1], [9, 9, 9]], labels: [0, -100] };
 * expect(evaluate(loss, batch)).toBeCloseTo(0.41703, 5);
 * ```
 */
export function ignoreIndex(label: number): Whole<"logits"> {
  if ((label | 0) !== label) throw new LossError("ignoreIndex", `got ${String(label)}`, "Give a 32-bit integer label");
  return (loss) => {
    refuseValues(loss, "ignoreIndex");
    return ignoreLabel(loss, label);
  };
}
