import { type Loss, lossOfValues } from "../loss/loss.ts";
import type { Numeric } from "../loss/schedule.ts";
import { overColumns } from "../loss/values.ts";
import { type BinaryForm, binary } from "./binary.ts";

/** Options of `binaryCrossEntropy`. */
export interface BinaryCrossEntropyOptions {
  /** What the predictions are. There is no default: the wrong one would go unseen. */
  readonly from: BinaryForm;
  /** The share of each target that is moved to ½, from 0 to 1; 0 by default. */
  readonly labelSmoothing?: Numeric;
}

/**
 * Binary cross entropy: each column is a decision of its own, as in multi-label classification.
 *
 * Formula, for a row: mean over its columns of −t log p − (1 − t) log(1 − p), in nats, with p the prediction or, from
 * logits, its sigmoid, and t = (1 − labelSmoothing) · target + ½ labelSmoothing. From logits it is t softplus(−z) + (1
 * − t) softplus(z), which keeps its digits for confident predictions. From probabilities p is taken for one in [1e−7, 1
 * − 1e−7].
 * Shapes: predictions and targets [..., D], or [N] for N rows of one column; see `meanSquaredError`. Targets are 0, 1
 * or between.
 *
 * @throws LossError where `from` is neither, or labelSmoothing is outside [0, 1].
 *
 * Source: as in Keras 3 (`BinaryCrossentropy`), whose default is from probabilities, and PyTorch: `BCEWithLogitsLoss`,
 * and `BCELoss`, which keeps the logarithms at or above −100 instead.
 *
 * @example
 * ```ts
 * import { binaryCrossEntropy, evaluate, perToken, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { predictions: [[0.6, 0.4], [0.4, 0.6]], targets: [[0, 1], [0, 0]] };
 * const [first, second] = evaluate(pipe(binaryCrossEntropy({ from: "probabilities" }), perToken), batch) as number[];
 * expect(first).toBeCloseTo(0.916291, 6);
 * expect(second).toBeCloseTo(0.713558, 6);
 *
 * const confident = { predictions: [[-20]], targets: [[0]] };
 * expect(evaluate(binaryCrossEntropy({ from: "logits" }), confident)).toBeCloseTo(Math.exp(-20), 16);
 * ```
 */
export function binaryCrossEntropy(options: BinaryCrossEntropyOptions): Loss<"values", "without a weight field"> {
  return lossOfValues(overColumns("mean", binary("binaryCrossEntropy", options).crossEntropy));
}
