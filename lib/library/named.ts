import type { Whole } from "../loss/combinator.ts";
import { checkTermName, nameTerms } from "../loss/loss.ts";

/**
 * Gives a name to the terms of a loss that have none yet, for `withTerms` of the compiled loss, `show` and `explain`. So each
 * `named` names what was composed since the one before it. Terms of one name are logged as their sum. A name changes no
 * number, but losses whose terms have other names are not equal.
 *
 * @throws LossError for an empty name.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { compile, crossEntropy, named, pipe, show, zLoss } from "lossmith";
 * import { expect } from "expect";
 *
 * const data = pipe(crossEntropy, named("words"), zLoss(0.1), named("z-loss"));
 * expect(show(data).split("\n")[0]).toBe("loss = words + z-loss");
 * const { value, terms } = compile(data).withTerms({ logits: tf.tensor2d([[0, 0]]), labels: [0] });
 * expect(terms["words"].dataSync()[0]).toBeCloseTo(Math.log(2), 6);
 * expect(terms["z-loss"].dataSync()[0]).toBeCloseTo(0.1 * Math.log(2) ** 2, 6);
 * expect(value.dataSync()[0]).toBeCloseTo(Math.log(2) + 0.1 * Math.log(2) ** 2, 6);
 * ```
 */
export function named(name: string): Whole {
  checkTermName(name, "named(name)");
  return (loss) => nameTerms(loss, name);
}
