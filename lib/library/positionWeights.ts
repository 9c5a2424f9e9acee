import type { Keep, LawCombinator } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { add, atom, constant, substitute } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { type ClassExpression, position, weighRows } from "../loss/language.ts";
import type { ClassAtom } from "../loss/loss.ts";
import { finite } from "../loss/schedule.ts";

/** Options of `positionWeights`. */
export interface PositionWeightsOptions {
  /** The number of the first position of a sequence; 1 by default. */
  readonly first?: number;
}

/**
 * Weighs the rows of every term built so far by their position in the sequence, the last axis of the labels: a law that
 * turns frequencies into weights turns the numbers 1, 2, 3 … of the positions into weights. Like a class's weight, a row's
 * is in the denominator of a weighted mean too.
 *
 * @param law a law of the value alone, such as `powerLaw(0.5)` for (i + 1)^−0.5 at position i, `exponentialDecay(0.01)`,
 * or several as one by `lawMonoid.concat`. A negative exponent makes the weights grow.
 * @throws LossError for a law that reads counts or the whole vocabulary.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, perToken, pipe, positionWeights, powerLaw } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, positionWeights(powerLaw(1, { epsilon: 0 })), perToken);
 * const batch = { logits: [[[0, 0], [0, 0], [0, 0]]], labels: [[0, 1, 0]] };
 * const [row] = evaluate(loss, batch) as number[][];
 * row.forEach((x, i) => expect(x).toBeCloseTo(Math.log(2) / (i + 1), 12));
 * ```
 */
export function positionWeights(law: LawCombinator, options: PositionWeightsOptions = {}): Keep {
  if (typeof law !== "function" || law.law === undefined) {
    throw new LossError("positionWeights(law)", `got ${String(law)}`, "Give a law, such as powerLaw(0.5)");
  }
  const first = finite(options?.first ?? 1, "positionWeights({ first })");
  const place: ClassExpression = add<ClassAtom>(position, constant(first));
  const weight = substitute<VocabularyAtom, ClassAtom>(law.law.map, (a) => {
    if (a.kind === "value") return place;
    if (a.kind === "step") return atom(a);
    throw new LossError(
      "positionWeights(law)",
      `${law.law.name} reads more than the value: positions have no counts and no vocabulary`,
      "Give a law of the value alone, such as powerLaw(0.5) or exponentialDecay(0.01)",
    );
  });
  return weighRows("positionWeights", weight);
}
