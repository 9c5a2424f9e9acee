/**
 * A schedule is an expression over the training step. Every numeric parameter of every combinator takes a number or a
 * schedule; a number is the schedule that is always that number.
 */
import { LossError } from "./error.ts";
import {
  type Algebra,
  atom,
  atomsOf,
  binaryNumber,
  constant,
  type Expression,
  interpreter,
  substitute,
  unaryNumber,
  within,
} from "./expression.ts";

/** The training step: 0 at the first, one more at each. Or a function of it, which is data to nobody. */
export interface Step {
  readonly kind: "step";
  readonly of?: StepFunction;
}

/** A function, and the step that it is given: an expression over the training step. */
export interface StepFunction {
  readonly name: string;
  readonly value: (step: number) => number;
  readonly at: Schedule;
}

/** A number that depends on the training step. */
export type Schedule = Expression<Step>;

/** What a parameter may be: a plain number, or a schedule that gives one at each step. */
export type Numeric = number | Schedule;

export const step: Schedule = atom({ kind: "step" });

/** What a step atom is at a step. */
export function stepValue({ of }: Step, atStep: number): number {
  return of === undefined ? atStep : of.value(valueAt(of.at, atStep));
}

function valueAt(schedule: Schedule, atStep: number): number {
  return interpreter(numberAlgebra<Step>((a) => stepValue(a, atStep)))(schedule);
}

/** The schedule with `time` in place of the step. */
export function retimed(schedule: Schedule, time: Schedule): Schedule {
  return substitute(schedule, ({ of }) =>
    of === undefined ? time : atom<Step>({ kind: "step", of: { ...of, at: retimed(of.at, time) } }),
  );
}

/** Bounds of a parameter; both are allowed values. */
export interface Bounds {
  readonly lowest?: number;
  readonly highest?: number;
}

/**
 * Lifts a parameter into a schedule. A number is checked here, a schedule whenever it is evaluated: both must be
 * finite and within the bounds. `where` names the parameter in the LossError.
 */
export function lift(value: Numeric, where: string, bounds: Bounds = {}): Schedule {
  const isSchedule = typeof value === "object" && value !== null && "kind" in value;
  if (typeof value !== "number" && !isSchedule) {
    throw new LossError(
      where,
      `got ${String(value)}`,
      "Give a number, or a schedule such as linear({ init, end, steps })",
    );
  }
  const { lowest = Number.NEGATIVE_INFINITY, highest = Number.POSITIVE_INFINITY } = bounds;
  return within(typeof value === "number" ? constant(value) : value, lowest, highest, where);
}

/** A number as the schedule that is always that number, a schedule as it is. */
export function asSchedule(value: Numeric, where: string): Schedule {
  const lifted = lift(value, where);
  return typeof value === "number" ? lifted : value;
}

/** `value` if it is a finite number within the bounds, else a LossError. */
export function finite(value: number, where: string, bounds: Bounds = {}): number {
  if (typeof value !== "number") throw new LossError(where, `got ${String(value)}`, "Give a finite number");
  lift(value, where, bounds);
  return value;
}

/** Whether an expression depends on the step. */
export function isScheduled(e: Expression<{ readonly kind: string }>): boolean {
  return atomsOf(e).some((a) => a.kind === "step");
}

/** Expressions as plain float64 numbers, given the meaning of the atoms. */
export function numberAlgebra<A>(meaning: (a: A) => number): Algebra<A, number> {
  return {
    constant: (value) => value,
    atom: meaning,
    unary: (operator, x) => unaryNumber[operator](x),
    binary: (operator, x, y) => binaryNumber[operator](x, y),
    select: (left, right, whenLess, otherwise) => (left < right ? whenLess : otherwise),
  };
}

/**
 * The value of a schedule at a step.
 *
 * @example
 * ```ts
 * import { at, linear } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(at(linear({ init: 0, end: 1, steps: 1000 }), 250)).toBe(0.25);
 * expect(at(0.5, 250)).toBe(0.5);
 * ```
 */
export function at(schedule: Numeric, atStep: number): number {
  return valueAt(lift(schedule, "schedule"), finite(atStep, "step"));
}
