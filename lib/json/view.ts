/** Views of the logits. */
import type { Expression } from "../loss/expression.ts";
import { type BiasAtom, checkView, isPlain, plainView, type View } from "../loss/view.ts";
import { type Codec, checked, nullable, object, oneOf, optional, shared } from "./codec.ts";
import { expressions } from "./expressions.ts";
import { field } from "./field.ts";
import { scalar, schedule, stepKinds } from "./scalars.ts";

const biasExpression: Codec<Expression<BiasAtom>> = expressions<BiasAtom>(() => ({
  ...stepKinds,
  vocabularySize: {},
  weight: { field },
}));

/** What is left out is as in the plain view. */
export const view: Codec<View> = shared(
  checked(
    object<View>({
      of: optional(oneOf<View["of"]>({ logits: true, teacher: true }), "logits"),
      scale: optional(scalar, plainView.scale, (e) => e.kind === "constant" && e.value === 1),
      cap: optional(nullable(schedule), null),
      bias: optional(biasExpression, plainView.bias, (e) => e.kind === "constant" && e.value === 0),
    }),
    // Combinators know the plain view by its identity.
    (given) => (isPlain(given) ? plainView : checkView(given)),
  ),
);

/** The view of an atom, which is left out where it is the plain one. */
export const ownView: Codec<View> = optional(view, plainView, isPlain);
