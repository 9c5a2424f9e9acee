/**
 * A view of the logits: what a loss reads in their place, z'_j = bias_j + cap · tanh(scale · z_j / cap). The plain view is
 * the logits themselves. A loss may read several views; each is a transformation of the same logits, or of a
 * teacher's, which are constants.
 */
import { constant, type Expression, isConstant, within } from "./expression.ts";
import type { Field } from "./field.ts";
import type { ParameterAtom } from "./parameter.ts";
import type { Step } from "./schedule.ts";

export interface View {
  /** Whose logits: the model's own, or a teacher's. */
  readonly of: "logits" | "teacher";
  /** A number that may be scheduled or trained; 1 over the temperature. */
  readonly scale: Expression<Step | ParameterAtom>;
  /** The largest size of a logit before the bias, which may be scheduled; null for none. */
  readonly cap: Expression<Step> | null;
  /** Added to each class's logit; an expression over the classes. */
  readonly bias: Expression<BiasAtom>;
}

export type BiasAtom = Step | { readonly kind: "vocabularySize" } | { readonly kind: "weight"; readonly field: Field };

export const plainView: View = { of: "logits", scale: constant(1), cap: null, bias: constant(0) };

/** `view`, or a LossError where its scale or its cap is a number that is not above 0. */
export function checkView(view: View): View {
  const { scale, cap } = view;
  if (scale.kind === "constant") within(scale, Number.MIN_VALUE, Number.POSITIVE_INFINITY, "scale");
  if (cap?.kind === "constant") within(cap, Number.MIN_VALUE, Number.POSITIVE_INFINITY, "cap");
  return view;
}

/** Whether a view is of the model's logits as they are. */
export function isPlain({ of, scale, cap, bias }: View): boolean {
  return of === "logits" && isConstant(scale, 1) && cap === null && isConstant(bias, 0);
}
