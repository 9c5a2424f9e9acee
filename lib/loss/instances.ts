/**
 * The algebras as lawful fp-ts instances, so that `concatAll`, `foldMap` and the like work on them.
 * Equality is by value: of losses in `evaluate` on every batch, of laws in the weights of every field, of schedules
 * in `at` at every step; all up to the rounding of float64.
 *
 * - `lossMonoid`: concat(concat(a, b), c) = concat(a, concat(b, c)); concat(empty, a) = a = concat(a, empty). It is
 *   commutative too: concat(a, b) = concat(b, a).
 * - `lawMonoid`: the same but for commutativity, since order is meaning. It acts on losses:
 *   concat(f, g)(loss) = g(f(loss)) and empty(loss) = loss.
 * - `scheduleRing`: (add, zero) is a commutative group with sub(a, b) + b = a; (mul, one) is a commutative monoid; mul
 *   distributes over add, and mul(zero, a) = zero.
 * - `lossEq`: reflexive, symmetric and transitive; losses that are equal have the same value on every batch. It
 *   compares normal forms, so it does not find every equality that arithmetic has.
 * - `lossShow`: losses that were composed in the same way have the same text.
 */
import type { Eq } from "fp-ts/lib/Eq.js";
import type { Monoid } from "fp-ts/lib/Monoid.js";
import type { Ring } from "fp-ts/lib/Ring.js";
import type { Show } from "fp-ts/lib/Show.js";
import type { Combinator, LawCombinator } from "./combinator.ts";
import { atom, constant, type Expression, substitute } from "./expression.ts";
import type { Law, VocabularyAtom } from "./field.ts";
import { type AnyLoss, addLosses, emptyLoss, type Kind, type Loss } from "./loss.ts";
import { normalForm } from "./normalForm.ts";
import type { Schedule } from "./schedule.ts";
import { addSchedules, multiplySchedules, subtractSchedules } from "./scheduleArithmetic.ts";
import { show } from "./show.ts";

/**
 * Losses under addition. Each term keeps its reduction, and a term without one is a weighted mean.
 *
 * @example
 * ```ts
 * import { concatAll } from "fp-ts/lib/Monoid.js";
 * import { crossEntropy, evaluate, labelSmoothing, lossMonoid, mean, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const whole = concatAll(lossMonoid)([pipe(crossEntropy, sum), pipe(crossEntropy, labelSmoothing(0.1), mean)]);
 * expect(evaluate(whole, { logits: [[0, 0]], labels: [0] })).toBeCloseTo(2 * Math.log(2), 12);
 * ```
 */
export const lossMonoid: Monoid<Loss<"logits", Exclude<Kind, "already reduced per token">>> = {
  concat: addLosses,
  empty: emptyLoss,
};

const noLaw: LawCombinator = Object.assign<
  Combinator<"with a weight field", "with a weight field", "logits">,
  { law: Law }
>((loss) => loss, { law: { name: "identity", map: atom({ kind: "value" }) } });

/**
 * Laws under composition, the first one first, as in `flow`: fp-ts's monoid of endomorphisms, on laws.
 *
 * @example
 * ```ts
 * import { concatAll } from "fp-ts/lib/Monoid.js";
 * import { clip, crossEntropy, freqWeights, fromCounts, lawMonoid, pipe, powerLaw, show } from "lossmith";
 * import { expect } from "expect";
 *
 * const weighted = pipe(crossEntropy, freqWeights(fromCounts([100, 10, 1])));
 * const law = concatAll(lawMonoid)([powerLaw(0.5), clip(0.2, 1)]);
 * expect(show(law(weighted))).toBe(show(pipe(weighted, powerLaw(0.5), clip(0.2, 1))));
 * ```
 */
export const lawMonoid: Monoid<LawCombinator> = {
  concat: (first, second) => {
    if (first === noLaw) return second;
    if (second === noLaw) return first;
    const apply: Combinator<"with a weight field", "with a weight field", "logits"> = (loss) => second(first(loss));
    return Object.assign(apply, { law: thenLaw(first.law, second.law) });
  },
  empty: noLaw,
};

/** The one law that is `first` and then `second`: second's values are those that first gives. */
function thenLaw(first: Law, second: Law): Law {
  const after = (e: Expression<VocabularyAtom>): Expression<VocabularyAtom> =>
    substitute(e, (a) => {
      if (a.kind === "value") return first.map;
      if (a.kind === "overridden") return atom({ ...a, of: after(a.of) });
      return a.kind === "overVocabulary" ? atom({ ...a, body: after(a.body) }) : atom(a);
    });
  return { name: `${second.name} ∘ ${first.name}`, map: after(second.map) };
}

/**
 * Schedules under the arithmetic of their values, step by step.
 *
 * @example
 * ```ts
 * import { at, constant, linear, scheduleRing } from "lossmith";
 * import { expect } from "expect";
 *
 * const { sub, mul, one } = scheduleRing;
 * const rise = linear({ init: 0, end: 1, steps: 10 });
 * expect(at(mul(constant(3), sub(one, rise)), 5)).toBe(1.5);
 * ```
 */
export const scheduleRing: Ring<Schedule> = {
  add: addSchedules,
  zero: constant(0),
  mul: multiplySchedules,
  one: constant(1),
  sub: subtractSchedules,
};

/**
 * Losses by their normal form: the order of terms, of summands and of factors does not matter, nor do the names of fields
 * and schedules; those that `named` gives to terms do.
 *
 * @example
 * ```ts
 * import { add, crossEntropy, lossEq, mean, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const a = pipe(crossEntropy, sum, add(pipe(crossEntropy, mean)));
 * const b = pipe(crossEntropy, mean, add(pipe(crossEntropy, sum)));
 * expect(lossEq.equals(a, b)).toBe(true);
 * expect(lossEq.equals(a, pipe(crossEntropy, sum))).toBe(false);
 * ```
 */
export const lossEq: Eq<AnyLoss> = { equals: (a, b) => a === b || normalForm(a) === normalForm(b) };

/**
 * Losses as formulas: `show` as an instance.
 *
 * @example
 * ```ts
 * import { crossEntropy, lossShow, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(lossShow.show(pipe(crossEntropy, sum))).toBe("loss = Σ_i nll(y)");
 * ```
 */
export const lossShow: Show<AnyLoss> = { show };
