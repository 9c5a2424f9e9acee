/**
 * Trainable parameters: single numbers that belong to a loss and learn with the model, such as a temperature.
 */
import { LossError } from "./error.ts";
import { atom, type Expression } from "./expression.ts";
import { type Bounds, finite, lift, type Schedule, type Step } from "./schedule.ts";

export interface ParameterAtom {
  readonly kind: "parameter";
  readonly name: string;
  readonly init: number;
}

/** A number that may be scheduled or trained. */
export type Trainable = number | Schedule | Expression<Step | ParameterAtom>;

/**
 * A trainable number with a name and an initial value. Parameters of one name within a loss are the same parameter.
 * `compile` makes a variable of each, in `variables` of the compiled loss; `evaluate` uses the initial value, or the
 * batch's `parameters`.
 *
 * @throws LossError for an empty name, or an initial value that is not finite.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, parameter, pipe, scale, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, scale(parameter("strength", 2)), sum);
 * const batch = { logits: [[0, 0]], labels: [0] };
 * expect(evaluate(loss, batch)).toBeCloseTo(2 * Math.log(2), 12);
 * expect(evaluate(loss, { ...batch, parameters: { strength: 3 } })).toBeCloseTo(3 * Math.log(2), 12);
 * ```
 */
export function parameter(name: string, init: number): Expression<ParameterAtom> {
  if (typeof name !== "string" || name === "") {
    throw new LossError("parameter(name)", `got ${JSON.stringify(name)}`, "Give the parameter a name");
  }
  return atom({ kind: "parameter", name, init: finite(init, `parameter("${name}", init)`) });
}

/** Lifts a number, a schedule or an expression of trainable parameters, as `lift` does for schedules. */
export function liftTrainable(value: Trainable, where: string, bounds: Bounds = {}): Expression<Step | ParameterAtom> {
  // lift looks at no atom, so it serves expressions with other atoms as well.
  return lift(value as Schedule, where, bounds) as Expression<Step | ParameterAtom>;
}
