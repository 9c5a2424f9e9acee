import {
  add,
  constant,
  max,
  multiply,
  named,
  select,
  stopGradient,
  subtract,
  unary,
  weigh,
} from "../loss/expression.ts";
import { batchMean, input } from "../loss/language.ts";
import { type ClassExpression, type Loss, lossOfValues } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { namedColumns, prediction, target } from "../loss/values.ts";
import { positive, preferenceOptions } from "./preferencePair.ts";

/** Options of `kto`. */
export interface KtoOptions {
  /** How closely the policy is held to the reference model, above 0; 0.1 by default. */
  readonly beta?: Numeric;
  /** The weight of desirable responses, at least 0; 1 by default. */
  readonly desirableWeight?: Numeric;
  /** The weight of undesirable responses, at least 0; 1 by default. */
  readonly undesirableWeight?: Numeric;
}

const [inResponse, inMismatched] = namedColumns("response", "mismatched");
const excess = subtract(prediction, target);
const reward: ClassExpression = named("log π/ref(response)", inResponse(excess));
const divergence: ClassExpression = named("log π/ref(mismatched)", inMismatched(excess));

/** 1 for a desirable response and 0 for another; NaN where it is neither. */
const desirable = input("desirable");
const neither = multiply(desirable, subtract(constant(1), desirable));
/** 1, or NaN: 0 · log 0 is 0, and negative numbers have no logarithm. */
const known: ClassExpression = add(
  constant(1),
  weigh(neither, unary("log", subtract(constant(0), unary("abs", neither)))),
);

/**
 * KTO, Kahneman–Tversky optimisation: learns from single responses that are desirable or not, without pairs.
 *
 * Formula, for a response with r = log π / ref(response): w sigmoid(−beta (r − z)) where it is desirable, and w
 * sigmoid(beta (r − z)) where it is not, with w the weight of its kind. The reference point z = sg(max(0, mean of log π /
 * ref(mismatched) over the valid rows of the batch)) estimates the divergence of the policy from the reference model by
 * responses that belong to other prompts.
 * Shapes: predictions [..., 2], the policy's log-probabilities of the response and of a mismatched one to the same prompt,
 * summed over their tokens; targets the reference model's; inputs.desirable [...] 1 or 0: NaN for a row where it is
 * neither. `unpairedPreferences` makes the batch. The second column gets no gradient. The rows are coupled: such a
 * loss has no `parts`.
 *
 * @throws LossError where beta is not above 0 or a weight is negative; in the call where a row has not two columns, or
 * the batch no `inputs.desirable`.
 *
 * Source: Ethayarajh et al., arXiv 2402.01306; as TRL's `KTOTrainer`. The paper recommends weights such that
 * (desirable weight · desirable responses) / (undesirable weight · undesirable responses) is from 1 to 4/3.
 *
 * @example
 * ```ts
 * import { evaluate, kto, perToken, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = {
 *   predictions: [[-10, -20], [-8, -21]],
 *   targets: [[-12, -21], [-9, -23]],
 *   inputs: { desirable: [1, 0] },
 * };
 * // z is the mean of 1 and 2.
 * const [first, second] = evaluate(pipe(kto({ beta: 1 }), perToken), batch) as number[];
 * expect(first).toBeCloseTo(1 / (1 + Math.exp(2 - 1.5)), 12);
 * expect(second).toBeCloseTo(1 / (1 + Math.exp(-(1 - 1.5))), 12);
 * ```
 */
export function kto(options: KtoOptions = {}): Loss<"values", "without a weight field"> {
  const { beta = 0.1, desirableWeight = 1, undesirableWeight = 1 } = preferenceOptions("kto", options);
  const weight = (value: Numeric, where: string): ClassExpression => lift(value, `kto({ ${where} })`, { lowest: 0 });
  const isDesirable = (yes: ClassExpression, no: ClassExpression): ClassExpression =>
    select(constant(0.5), desirable, yes, no);
  const w = isDesirable(weight(desirableWeight, "desirableWeight"), weight(undesirableWeight, "undesirableWeight"));
  const referencePoint = stopGradient(max(constant(0), batchMean(divergence)));
  const gain = multiply(positive(beta, "kto({ beta })"), subtract(reward, referencePoint));
  const pain = unary("sigmoid", multiply(isDesirable(constant(-1), constant(1)), gain));
  return lossOfValues(multiply(multiply(w, known), pain));
}
