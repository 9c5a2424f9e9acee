/** Data for each input or output of a model, in the forms that TensorFlow.js takes. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";

/** One for a model with one, an array in the model's order, or a record by name. */
export type PerName<T> = T | readonly T[] | Readonly<Record<string, T>>;

/** The data by the model's order; undefined where a record has none for a name and `isOptional`. */
export function inOrder<T>(
  data: PerName<T>,
  names: readonly string[],
  isOne: (data: unknown) => boolean,
  where: string,
  isOptional = false,
): readonly (T | undefined)[] {
  const expected = names.length === 1 ? "one" : `one for each of ${names.join(", ")}`;
  if (isOne(data)) {
    if (names.length === 1) return [data as T];
    throw new LossError(where, "one is given and there are several", `Give ${expected}, as an array or by name`);
  }
  if (Array.isArray(data)) {
    if (data.length === names.length && data.every((entry) => isOne(entry) || (isOptional && entry === undefined))) {
      return data as T[];
    }
    throw new LossError(where, `${data.length} entries in an array for ${names.length}`, `Give ${expected}`);
  }
  if (typeof data !== "object" || data === null) {
    throw new LossError(where, `got ${String(data)}`, `Give ${expected}`);
  }
  const record = data as Readonly<Record<string, T>>;
  const unknown = Object.keys(record).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new LossError(where, `there is none of the name ${unknown}`, `The names are ${names.join(", ")}`);
  }
  return names.map((name) => {
    const entry = record[name];
    if (entry === undefined && isOptional) return undefined;
    if (isOne(entry)) return entry;
    throw new LossError(where, `got ${String(entry)} for ${name}`, `Give ${expected}`);
  });
}

export function isTensor(data: unknown): boolean {
  return data instanceof tf.Tensor;
}

/** A sequential model knows its outputs only once it is built, which TensorFlow.js does when it is compiled. */
export function buildIfNeeded(model: tf.LayersModel): void {
  if (model.outputNames === undefined || model.outputNames.length === 0) (model as tf.Sequential).build();
}
