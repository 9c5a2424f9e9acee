/** What losses on pairs of a chosen and a rejected response are made of. */
import { LossError } from "../loss/error.ts";
import { add, constant, multiply, named, subtract, unary } from "../loss/expression.ts";
import type { ClassExpression } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { namedColumns, prediction, target } from "../loss/values.ts";

const [inChosen, inRejected] = namedColumns("chosen", "rejected");

/** The policy's log-probabilities of the two responses. */
export const chosen: ClassExpression = named("log π(chosen)", inChosen(prediction));
export const rejected: ClassExpression = named("log π(rejected)", inRejected(prediction));

/**
 * How much more than the reference model the policy prefers the chosen response: log π(chosen) / reference(chosen) −
 * log π(rejected) / reference(rejected). The two of each response, which are near each other, are subtracted first.
 */
export const preference: ClassExpression = named(
  "log π/ref(chosen) − log π/ref(rejected)",
  subtract(inChosen(subtract(prediction, target)), inRejected(subtract(prediction, target))),
);

/**
 * −log sigmoid(margin), and with label smoothing e what is expected of it where a share e of the pairs is the wrong way
 * round: −(1 − e) log sigmoid(margin) − e log sigmoid(−margin).
 */
export function logistic(margin: ClassExpression, smoothing: Numeric | undefined, name: string): ClassExpression {
  const e: ClassExpression = lift(smoothing ?? 0, `${name}({ labelSmoothing })`, { lowest: 0, highest: 0.5 });
  const right = unary("softplus", subtract(constant(0), margin));
  return add(multiply(subtract(constant(1), e), right), multiply(e, unary("softplus", margin)));
}

/** A number that must be above 0. */
export function positive(value: Numeric, where: string): ClassExpression {
  return lift(value, where, { lowest: Number.MIN_VALUE });
}

/** `options`, or a LossError where they are none. */
export function preferenceOptions<O extends object>(name: string, options: O): O {
  if (typeof options === "object" && options !== null) return options;
  throw new LossError(name, `got ${String(options)}`, `Give { beta }, such as ${name}({ beta: 0.1 })`);
}
