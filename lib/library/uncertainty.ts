import type { Combinator } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { constant, multiply, subtract, unary } from "../loss/expression.ts";
import { appendTerm, checkLoss, type Kind, nameTerms, reducedLoss, scaleLoss } from "../loss/loss.ts";
import { parameter } from "../loss/parameter.ts";
import { readUncertainty, type UncertaintyOptions } from "../loss/uncertainty.ts";

/**
 * Kendall's weighting by uncertainty: the weight of a loss among others is learnt with the model, as a log variance s.
 *
 * Formula: L ↦ ½ e^−s L + s / 2 ("regression"), or e^−s L + s / 2 ("classification"), with L the loss after its reduction: a
 * loss that has none yet gets the weighted mean, and no modulator or weight may follow. s is the parameter `name`, a variable of
 * the compiled loss; for a fixed L it settles at log L, or at log 2L. At s = 0 the loss is L / 2, or L.
 * - Terms without a name get this one, s / 2 too, so that `withTerms` gives the task's part of the loss.
 * - s / 2 is there where L is: a batch in which no row is valid, or none has weight, gives 0.
 * - Losses with batches or outputs of their own: `uncertaintyWeighting` of lossmith/training adds the tensors.
 *
 * @param name the parameter's name; two losses of one name share it.
 * @throws LossError for an empty name, an initial value that is not finite, another form, and a loss that ends in `perToken`.
 *
 * Source: Kendall, Gal and Cipolla, arXiv 1705.07115, equations 5 to 10.
 *
 * @example
 * ```ts
 * import { add, compile, crossEntropy, evaluate, focal, pipe, uncertainty } from "lossmith";
 * import { expect } from "expect";
 *
 * const hard = pipe(crossEntropy, focal({ gamma: 2 }), uncertainty("focal"));
 * const both = pipe(crossEntropy, uncertainty("plain"), add(hard));
 * expect([...compile(both).variables.keys()]).toEqual(["plain", "focal"]);
 *
 * const batch = { logits: [[0, 0]], labels: [0] };
 * expect(evaluate(pipe(crossEntropy, uncertainty("plain")), batch)).toBeCloseTo(0.5 * Math.log(2), 12);
 * const later = { ...batch, parameters: { plain: 3 } };
 * expect(evaluate(pipe(crossEntropy, uncertainty("plain")), later)).toBeCloseTo(0.5 * Math.exp(-3) * Math.log(2) + 1.5, 12);
 * ```
 */
export function uncertainty(
  name: string,
  options: UncertaintyOptions = {},
): Combinator<Exclude<Kind, "already reduced per token">, "already reduced"> {
  const { init, share } = readUncertainty(options, "uncertainty(name, options)");
  const s = parameter(name, init);
  const precision = multiply(constant(share), unary("exp", subtract(constant(0), s)));
  return (loss) => {
    checkLoss(loss, "uncertainty");
    if (loss.terms.some(({ reduction }) => reduction === "perToken")) {
      throw new LossError(
        "uncertainty",
        "the loss ends in perToken, and the formula is one of the reduced loss",
        "End it in sum, mean or weightedMean",
      );
    }
    return nameTerms(reducedLoss(appendTerm(scaleLoss(loss, precision), multiply(constant(0.5), s))), name);
  };
}
