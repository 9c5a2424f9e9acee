import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";

/** The names of the tasks, each once. */
export function readTasks<Name extends string>(tasks: readonly Name[], where: string): readonly Name[] {
  const right = 'Give the names of the tasks, each once: ["depth", "labels"]';
  if (!Array.isArray(tasks) || tasks.length === 0) throw new LossError(where, `got ${JSON.stringify(tasks)}`, right);
  for (const [i, name] of tasks.entries()) {
    if (typeof name !== "string" || name === "") throw new LossError(where, `task ${i} is ${String(name)}`, right);
    if (tasks.indexOf(name) !== i) throw new LossError(where, `"${name}" is there twice`, right);
  }
  return [...tasks];
}

/** What `given` has for the tasks, in their order; `every` task, or some of them. */
export function ofTasks<Name extends string, T>(
  tasks: readonly Name[],
  given: Readonly<Partial<Record<Name, T>>>,
  where: string,
  every: boolean,
): readonly (readonly [Name, T])[] {
  if (typeof given !== "object" || given === null || given instanceof tf.Tensor) {
    throw new LossError(where, `got ${String(given)}`, `Give an object with ${listed(tasks)}`);
  }
  const unknown = Object.keys(given).find((name) => !(tasks as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new LossError(where, `there is no task "${unknown}"`, `The tasks are ${listed(tasks)}`);
  }
  const found = tasks.flatMap((name) => {
    const own = Object.hasOwn(given, name) ? given[name] : undefined;
    return own === undefined ? [] : [[name, own as T] as const];
  });
  if (found.length === 0 || (every && found.length < tasks.length)) {
    const missing = tasks.filter((name) => !found.some(([own]) => own === name));
    throw new LossError(where, `nothing for ${listed(missing)}`, `Give ${every ? "" : "some of "}${listed(tasks)}`);
  }
  return found;
}

function listed(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}

/** A loss as one number on the device. */
export function scalarLoss(loss: unknown, name: string, where: string): tf.Scalar {
  const right = "Give the value of a compiled loss that is reduced to one number";
  if (!(loss instanceof tf.Tensor)) throw new LossError(where, `"${name}" is ${String(loss)}`, right);
  if (loss.rank !== 0) throw new LossError(where, `"${name}" has shape [${loss.shape.join(", ")}]`, right);
  if (loss.dtype !== "float32") throw new LossError(where, `"${name}" has dtype ${loss.dtype}`, right);
  return loss as tf.Scalar;
}

/** A number for each task, as plain data. */
export function numbersOf<Name extends string>(
  tasks: readonly Name[],
  values: ArrayLike<number>,
): Readonly<Record<Name, number>> {
  return Object.fromEntries(tasks.map((name, i) => [name, values[i]])) as Record<Name, number>;
}
