/**
 * Combinators: functions from losses to losses whose types say which losses they take and what they make of them, so
 * that `pipe`, `flow` and `compose` refuse a composition without a meaning before the program runs. The same rules
 * hold at run time, as LossErrors, for people who write JavaScript.
 */
import { LossError } from "./error.ts";
import type { Field, Law } from "./field.ts";
import {
  type AnyLoss,
  attachField,
  checkLoss,
  type Input,
  isReduced,
  type Kind,
  type Loss,
  mapFocus,
  type Open,
  type Reduction,
  reduceTerms,
} from "./loss.ts";

// ----------------------------------------------------------------------------------------------------------- model

/** Takes losses of the kinds `Needs` over the inputs `Over` and gives one of kind `Gives`. */
export interface Combinator<Needs extends Kind, Gives extends Kind | "the same kind", Over extends Input = Input> {
  <I extends Over, K extends Needs>(loss: Loss<I, K>): Loss<I, Gives extends Kind ? Gives : K>;
  /** Exists for the type checker alone. */
  readonly role?: { readonly needs: Needs; readonly gives: Gives; readonly over: Over } | undefined;
}

/** Changes a loss whose rows are not reduced yet: labelSmoothing. */
export type Keep = Combinator<Open, "the same kind", "logits">;

/** Changes a loss of any kind, reduced ones too: scale, add, ignoreIndex. */
export type Whole<Over extends Input = Input> = Combinator<Kind, "the same kind", Over>;

/** Attaches a weight field: freqWeights, classWeights. */
export interface Attach extends Combinator<Open, "with a weight field", "logits"> {
  readonly field: Field;
}

/** Changes the weight field that was attached last: powerLaw, clip, normalise. */
export interface LawCombinator extends Combinator<"with a weight field", "with a weight field", "logits"> {
  readonly law: Law;
}

/** Reduces the rows to one number: sum, mean, weightedMean. */
export type Reduce = Combinator<Open, "already reduced">;

/** Keeps one number a row: perToken. */
export type ReducePerToken = Combinator<Open, "already reduced per token">;

// ---------------------------------------------------------------------------------------------------- constructors

function refuseReduced(loss: AnyLoss, name: string): void {
  checkLoss(loss, name);
  if (loss.terms.length > 0 && isReduced(loss)) {
    throw new LossError(name, "the loss is already reduced", `Put ${name} before the reduction`);
  }
}

export function keep(name: string, change: <I extends Input, K extends Kind>(loss: Loss<I, K>) => Loss<I, K>): Keep {
  return (loss) => {
    refuseReduced(loss, name);
    return change(loss);
  };
}

export function attach(field: Field): Attach {
  const apply: Combinator<Open, "with a weight field", "logits"> = (loss) => {
    refuseReduced(loss, field.source.name);
    return attachField(loss, field);
  };
  return Object.assign(apply, { field });
}

/** The combinator that applies a law to the field in focus. */
export function law(data: Law): LawCombinator {
  const apply: Combinator<"with a weight field", "with a weight field", "logits"> = (loss) => {
    refuseReduced(loss, data.name);
    return mapFocus(loss, data);
  };
  return Object.assign(apply, { law: data });
}

export function reduce(reduction: Exclude<Reduction, "perToken">): Reduce {
  return (loss) => ({ ...rest(loss), terms: reduceTerms(loss, reduction) });
}

export const reducePerToken: ReducePerToken = (loss) => ({ ...rest(loss), terms: reduceTerms(loss, "perToken") });

/** What a reduction leaves as it is. */
function rest({ focus, ignored, probabilities }: AnyLoss): Pick<AnyLoss, "focus" | "ignored" | "probabilities"> {
  return { focus, ignored, probabilities };
}

// ---------------------------------------------------------------------------------------------------- composition

/** Any combinator, with its role in view. */
export interface AnyCombinator {
  (loss: never): AnyLoss;
  readonly role?: { readonly needs: Kind; readonly gives: Kind | "the same kind"; readonly over: Input } | undefined;
}

type RoleOf<C extends AnyCombinator> = NonNullable<C["role"]>;

type After<Outer extends AnyCombinator, Inner extends AnyCombinator> = RoleOf<Inner>["gives"] extends infer G
  ? G extends Kind
    ? G extends RoleOf<Outer>["needs"]
      ? Combine<Outer, Inner, RoleOf<Inner>["needs"]>
      : `a loss that is ${G} comes where one is needed that is ${RoleOf<Outer>["needs"]}`
    : [RoleOf<Inner>["needs"] & RoleOf<Outer>["needs"]] extends [never]
      ? "no loss fits both combinators"
      : Combine<Outer, Inner, RoleOf<Inner>["needs"] & RoleOf<Outer>["needs"]>
  : never;

type Combine<Outer extends AnyCombinator, Inner extends AnyCombinator, Needs extends Kind> = Combinator<
  Needs,
  RoleOf<Outer>["gives"] extends Kind ? RoleOf<Outer>["gives"] : RoleOf<Inner>["gives"],
  RoleOf<Inner>["over"] & RoleOf<Outer>["over"]
>;

/** What `compose` of the combinators is: a combinator, or the text of what is wrong. */
export type Composed<Cs extends readonly AnyCombinator[]> = number extends Cs["length"]
  ? "an array of unknown length has no kind: list the combinators"
  : Cs extends readonly [infer Only extends AnyCombinator]
    ? Only
    : Cs extends readonly [infer Outer extends AnyCombinator, ...infer Rest extends readonly AnyCombinator[]]
      ? Composed<Rest> extends infer Inner
        ? Inner extends AnyCombinator
          ? After<Outer, Inner>
          : Inner
        : never
      : Combinator<Kind, "the same kind">;

/**
 * Composes combinators as a formula reads, right to left:
 * `compose(powerLaw(0.5), freqWeights(frequencies))(crossEntropy)` is powerLaw(0.5) ∘ freqWeights ∘ crossEntropy.
 * An order without a meaning does not compile.
 *
 * @example
 * ```ts
 * import { compose, crossEntropy, evaluate, freqWeights, fromCounts, pipe, powerLaw } from "lossmith";
 * import { expect } from "expect";
 *
 * const frequencies = fromCounts([100, 10, 1]);
 * const batch = { logits: [[2, 1, 0.1], [1, 1, 1]], labels: [0, 2] };
 * const pdl = compose(powerLaw(0.5), freqWeights(frequencies))(crossEntropy);
 * const same = pipe(crossEntropy, freqWeights(frequencies), powerLaw(0.5));
 * expect(evaluate(pdl, batch)).toBe(evaluate(same, batch));
 * ```
 */
export function compose<const Cs extends readonly AnyCombinator[]>(
  ...combinators: Composed<Cs> extends AnyCombinator ? Cs : { readonly [i in keyof Cs]: Composed<Cs> }
): Composed<Cs>;
export function compose(...combinators: readonly unknown[]): unknown {
  const functions = combinators as readonly ((loss: AnyLoss) => AnyLoss)[];
  return (loss: AnyLoss) => functions.reduceRight((inner, combinator) => combinator(inner), loss);
}
