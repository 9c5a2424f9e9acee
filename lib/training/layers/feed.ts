/** What a model is fed with: tensors for its inputs, and for each output what its loss takes. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";
import { inOrder, isTensor, type PerName } from "./perOutput.ts";

/** Weights of classes by their ids; a class that is not named weighs 1. */
export type ClassWeight = Readonly<Record<number, number>>;

/** What data may have for each row, beside x and y. With several outputs each is by the output's name, or an array. */
export interface RowData {
  /**
   * A weight of at least 0 for each example, [B], or for each row, in the shape of integer labels. It counts as the loss's reductions
   * say: a weighted mean divides by the sum of weights, a mean by the number of rows.
   */
  readonly sampleWeight?: PerName<tf.Tensor>;
  /** false marks a row that does not count; bool, in the shape of integer labels. Masks of the model's layers hold as well. */
  readonly mask?: PerName<tf.Tensor>;
  /** A teacher's logits, in the shape of the output, for losses that read them. */
  readonly teacher?: PerName<tf.Tensor>;
  /** Numbers for each row by the names that the loss reads; with several outputs by output first. */
  readonly inputs?: Readonly<Record<string, tf.Tensor>> | Readonly<Record<string, Readonly<Record<string, tf.Tensor>>>>;
}

/** A batch as tensors: for the inputs, and for each output. */
export interface Feed {
  readonly x: readonly tf.Tensor[];
  readonly outputs: readonly OutputFeed[];
}

export interface OutputFeed {
  readonly y: tf.Tensor;
  readonly sampleWeight?: tf.Tensor;
  readonly mask?: tf.Tensor;
  readonly teacher?: tf.Tensor;
  readonly inputs?: Readonly<Record<string, tf.Tensor>>;
}

/** Puts data in the order of a model's inputs and outputs, and checks that all have as many examples. */
export function feedOf(
  model: tf.LayersModel,
  x: PerName<tf.Tensor>,
  y: PerName<tf.Tensor>,
  rows: RowData,
  where: string,
): Feed {
  const { inputNames, outputNames } = model;
  const xs = inOrder(x, inputNames, isTensor, `${where}, x`) as readonly tf.Tensor[];
  const ys = inOrder(y, outputNames, isTensor, `${where}, y`) as readonly tf.Tensor[];
  const each = (name: "sampleWeight" | "mask" | "teacher"): readonly (tf.Tensor | undefined)[] => {
    const data = rows[name];
    return data === undefined
      ? outputNames.map(() => undefined)
      : inOrder(data, outputNames, isTensor, `${where}, ${name}`, true);
  };
  const [sampleWeight, mask, teacher] = [each("sampleWeight"), each("mask"), each("teacher")];
  const inputs = inputsOf(outputNames, rows.inputs, where);
  const feed: Feed = {
    x: xs,
    outputs: ys.map((of, i) => ({
      y: of,
      ...(sampleWeight[i] && { sampleWeight: sampleWeight[i] }),
      ...(mask[i] && { mask: mask[i] }),
      ...(teacher[i] && { teacher: teacher[i] }),
      ...(inputs[i] && { inputs: inputs[i] }),
    })),
  };
  checkSizes(feed, where);
  return feed;
}

function inputsOf(
  outputNames: readonly string[],
  inputs: RowData["inputs"],
  where: string,
): readonly (Readonly<Record<string, tf.Tensor>> | undefined)[] {
  if (inputs === undefined) return outputNames.map(() => undefined);
  if (typeof inputs !== "object" || inputs === null) {
    throw new LossError(`${where}, inputs`, `got ${String(inputs)}`, "Give tensors by the names that the loss reads");
  }
  if (outputNames.length === 1) return [inputs as Readonly<Record<string, tf.Tensor>>];
  const unknown = Object.keys(inputs).find((name) => !outputNames.includes(name));
  if (unknown !== undefined) {
    throw new LossError(
      `${where}, inputs`,
      `there is no output of the name ${unknown}`,
      `Give { inputs: { output: { name: tensor } } }, the outputs being ${outputNames.join(", ")}`,
    );
  }
  return outputNames.map((name) => inputs[name] as unknown as Readonly<Record<string, tf.Tensor>> | undefined);
}

function checkSizes(feed: Feed, where: string): void {
  const size = sizeOf(feed);
  for (const tensor of tensorsOf(feed)) {
    if (!(tensor instanceof tf.Tensor) || tensor.isDisposed) {
      throw new LossError(where, "a tensor is disposed, or is none", "Give tensors that are still there");
    }
    if (tensor.rank > 0 && tensor.shape[0] === size) continue;
    throw new LossError(
      where,
      `a tensor of shape [${tensor.shape.join(", ")}] beside ${size} examples in x`,
      "Give as many examples of each",
    );
  }
}

/** The number of examples. */
export function sizeOf({ x }: Feed): number {
  return x[0].shape[0] ?? 0;
}

export function tensorsOf({ x, outputs }: Feed): readonly tf.Tensor[] {
  const own = outputs.flatMap(({ y, sampleWeight, mask, teacher, inputs }) => [
    ...[y, sampleWeight, mask, teacher].filter((tensor) => tensor !== undefined),
    ...Object.values(inputs ?? {}),
  ]);
  return [...x, ...own];
}

/** The feed with another tensor in the place of each. */
export function mapFeed({ x, outputs }: Feed, f: (tensor: tf.Tensor) => tf.Tensor): Feed {
  return {
    x: x.map(f),
    outputs: outputs.map(({ y, sampleWeight, mask, teacher, inputs }) => ({
      y: f(y),
      ...(sampleWeight && { sampleWeight: f(sampleWeight) }),
      ...(mask && { mask: f(mask) }),
      ...(teacher && { teacher: f(teacher) }),
      ...(inputs && { inputs: Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, f(t)])) }),
    })),
  };
}
