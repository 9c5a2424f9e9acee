import { type Keep, keep } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import {
  add,
  atom,
  constant,
  divide,
  max,
  multiply,
  select,
  stopGradient,
  subtract,
  unary,
  weigh,
} from "../loss/expression.ts";
import { batchMean, overTargets } from "../loss/language.ts";
import { type ClassExpression, mapValues } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/** Options of `superLoss`. */
export interface SuperLossOptions {
  /** How far the confidences may be from 1, above 0: the larger, the nearer they stay; 1 by default. */
  readonly lambda?: Numeric;
  /**
   * The loss that tells easy rows from hard ones: a number or a schedule, or the mean of the loss over the batch's valid rows;
   * log V by default.
   */
  readonly tau?: Numeric | "batchMean";
}

/**
 * SuperLoss: a curriculum on top of any loss. Rows whose loss is above tau count less, those below it more.
 *
 * Formula: L ↦ (L − tau) s + lambda (log s)² with the confidence s = sg(exp(−W(½ max(−2/e, (L − tau) / lambda)))), for the loss L of a
 * row in every term built so far; W is Lambert's function. The confidence minimises the formula, so that detaching it (sg)
 * changes no gradient; it is e at most. tau is detached too.
 * At soft labels q, L is the row's whole loss Σ_c q_c ℓ_c.
 * As lambda grows the loss goes to L − tau. With tau "batchMean" the rows are coupled: such a loss has no `parts`.
 *
 * @throws LossError where lambda is not above 0, and where lambda or tau is not finite.
 *
 * Source: Castells, Weinzaepfel and Revaud, SuperLoss, NeurIPS 2020.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, pipe, superLoss } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { logits: [[1, 0]], labels: [0] };
 * const loss = Math.log1p(Math.exp(-1));
 * expect(evaluate(pipe(crossEntropy, superLoss({ tau: loss })), batch)).toBeCloseTo(0, 12);
 * // Where the loss is 2 e lambda above tau, W is 1.
 * const hard = pipe(crossEntropy, superLoss({ tau: loss - 2 * Math.E, lambda: 1 }));
 * expect(evaluate(hard, batch)).toBeCloseTo((2 * Math.E) / Math.E + 1, 12);
 * ```
 */
export function superLoss(options: SuperLossOptions = {}): Keep {
  if (typeof options !== "object" || options === null) {
    throw new LossError("superLoss", `got ${String(options)}`, "Give { lambda, tau }, such as { lambda: 1 }");
  }
  const lambda: ClassExpression = lift(options.lambda ?? 1, "superLoss({ lambda })", { lowest: Number.MIN_VALUE });
  const threshold = thresholdOf(options.tau);
  const lowest = constant(-2 / Math.E);
  return keep("superLoss", (loss) =>
    mapValues(loss, (value) => {
      const excess = subtract(overTargets(value), threshold(value));
      const relative = divide(excess, lambda);
      // W(−1/e) = −1, near which W has half of the digits of what it is taken of.
      const w = unary("lambertW", multiply(constant(0.5), max(relative, lowest)));
      const doubt = stopGradient(select(lowest, relative, w, constant(-1)));
      const confidence = unary("exp", subtract(constant(0), doubt));
      return add(weigh(confidence, excess), multiply(lambda, multiply(doubt, doubt)));
    }),
  );
}

/** tau, given the loss of a row. */
function thresholdOf(tau: SuperLossOptions["tau"]): (value: ClassExpression) => ClassExpression {
  if (tau === "batchMean") return (value) => stopGradient(batchMean(value));
  if (typeof tau === "string") {
    throw new LossError("superLoss({ tau })", `got "${tau}"`, 'Give a number, a schedule or "batchMean"');
  }
  const fixed: ClassExpression =
    tau === undefined ? unary("log", atom({ kind: "vocabularySize" })) : lift(tau, "superLoss({ tau })");
  return () => fixed;
}
