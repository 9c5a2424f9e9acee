/** Numbers that may be scheduled or trained. */

import { LossError } from "../loss/error.ts";
import type { Expression } from "../loss/expression.ts";
import { type ParameterAtom, parameter } from "../loss/parameter.ts";
import type { Schedule, Step, StepFunction } from "../loss/schedule.ts";
import { type Codec, type Kinds, type Makers, number, text, wrong } from "./codec.ts";
import { expressions } from "./expressions.ts";

/** A function of the step is not data. */
const functionOfStep: Codec<StepFunction> = {
  write: ({ name }, _, path) => {
    throw new LossError(
      path.replace(/\.step\.of$/, ""),
      `${name} holds a function, which JSON cannot`,
      "Write the schedule as an expression of language.step, or with linear, cosine, piecewiseInterpolate and the like",
    );
  },
  read: (json, _, path) => {
    throw wrong(path, json, 'Give "step"');
  },
  absent: { value: undefined, is: (of) => of === undefined },
};

export const stepKinds: Kinds<Step> = { step: { of: functionOfStep } };
export const parameterKinds: Kinds<ParameterAtom> = { parameter: { name: text, init: number } };
export const parameterMakers: Required<Makers<ParameterAtom, Expression<ParameterAtom>>> = {
  parameter: ({ name, init }) => parameter(name, init),
};

export const schedule: Codec<Schedule> = expressions<Step>(() => stepKinds);

/** A number that may be scheduled or trained. */
export const scalar: Codec<Expression<Step | ParameterAtom>> = expressions<Step | ParameterAtom>(
  () => ({ ...stepKinds, ...parameterKinds }),
  parameterMakers,
);
