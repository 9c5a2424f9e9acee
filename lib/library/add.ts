import type { Combinator } from "../loss/combinator.ts";
import { type AnyLoss, addLosses, checkLoss, type Input, type Kind, type Loss } from "../loss/loss.ts";

/**
 * Adds another loss, term by term. Each term keeps its own weights and its own reduction, and ignored labels are a
 * union. The field in focus stays that of the loss that is piped in; the other's is closed.
 *
 * A loss that ends in `perToken` can be added only to another such loss.
 *
 * @throws LossError where `other` is no loss.
 *
 * @example
 * ```ts
 * import { add, crossEntropy, evaluate, pipe, scale, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, add(pipe(crossEntropy, scale(0.5), sum)));
 * expect(evaluate(loss, { logits: [[2, 1, 0.1]], labels: [0] })).toBeCloseTo(0.625545, 5);
 * ```
 */
export function add<Over extends Input>(other: Loss<Over, PerToken>): Combinator<PerToken, "the same kind", Over>;
export function add<Over extends Input>(
  other: Loss<Over, Exclude<Kind, PerToken>>,
): Combinator<Exclude<Kind, PerToken>, "the same kind", Over>;
export function add(other: AnyLoss): <I extends Input, K extends Kind>(loss: Loss<I, K>) => Loss<I, K> {
  checkLoss(other, "add(other)");
  return (loss) => addLosses(loss, other);
}

type PerToken = "already reduced per token";
