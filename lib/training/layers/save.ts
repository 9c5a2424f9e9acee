import * as tf from "@tensorflow/tfjs";
import { lossFromJSON, lossToJSON } from "../../json/lossJSON.ts";
import { LossError } from "../../loss/error.ts";
import type { AnyLoss } from "../../loss/loss.ts";
import { lastingNames, type OptimizerState, restoreState, stateOf } from "../checkpoint/optimizerState.ts";
import { weightsOf } from "./weights.ts";
import type { ModelWithLoss, withLoss } from "./withLoss.ts";

/** How a loss becomes JSON. */
export interface SaveOptions {
  /** In place of `lossToJSON` of lossmith, for a loss that holds a function: what `lossFromJSON` is to make the loss of. */
  readonly lossToJSON?: (loss: ModelWithLoss["loss"]) => unknown;
}

/** A loss, or the losses by output, as `withLoss` takes them. */
export type TrainedLoss = Parameters<typeof withLoss>[1];

/** What is made of the pieces of a saved training. */
export interface LoadOptions {
  /** Makes the training: usually `withLoss(model, loss, options)`, with the options of the first one. */
  readonly resume: (model: tf.LayersModel, loss: TrainedLoss) => ModelWithLoss;
  /** Reads what a `lossToJSON` of your own has made. */
  readonly lossFromJSON?: (json: unknown) => TrainedLoss;
}

/** The loss as JSON, or the losses by output. */
function toJSON(loss: ModelWithLoss["loss"]): unknown {
  if ("terms" in loss) return lossToJSON(loss as AnyLoss);
  return { outputs: Object.fromEntries(Object.entries(loss).map(([output, one]) => [output, lossToJSON(one)])) };
}

function fromJSON(json: unknown): TrainedLoss {
  const { outputs } = (json ?? {}) as { readonly outputs?: Readonly<Record<string, unknown>> };
  const read = (one: unknown): AnyLoss => lossFromJSON(one);
  return (
    outputs === undefined
      ? read(json)
      : Object.fromEntries(Object.entries(outputs).map(([output, one]) => [output, read(one)]))
  ) as TrainedLoss;
}

interface Metadata {
  readonly version: 1;
  readonly loss: unknown;
  readonly step: number;
  readonly parameters: Readonly<Record<string, number>>;
  readonly optimizer: {
    readonly className: string;
    readonly numbers: Readonly<Record<string, number>>;
    readonly variables: readonly string[];
    readonly lists: Readonly<Record<string, readonly (string | null)[]>>;
  };
}

/** The weight that stands for an optimizer's tensor in a field, or at a place of a list. */
function weightName(field: string, place?: number): string {
  return place === undefined ? `optimizer/${field}` : `optimizer/${field}/${place}`;
}

/**
 * Saves a model as `model.save` does, with any of TensorFlow.js's handlers and addresses, and beside it in model.json what
 * `model.save` cannot: the loss, the step, the loss's trained parameters and the optimizer's whole state. `tf.loadLayersModel` reads the model of it, as of
 * any other.
 *
 * @throws LossError for an address that TensorFlow.js has no handler for, and for a loss with a schedule by `fromFunction`.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { crossEntropy, focal, pipe } from "lossmith";
 * import { loadWithLoss, saveWithLoss, withLoss } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, focal({ gamma: 2 }));
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [2] })] });
 * const training = withLoss(model, loss, { optimizer: tf.train.adam(0.1) });
 * await training.fit(tf.eye(2), tf.eye(2), { epochs: 3 });
 *
 * let artifacts: tf.io.ModelArtifacts = {};
 * const handler = tf.io.withSaveHandler(async (given) => {
 *   artifacts = given;
 *   return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(given) };
 * });
 * await saveWithLoss(training, handler);
 *
 * const again = await loadWithLoss(tf.io.fromMemory(artifacts), {
 *   resume: (loaded, saved) => withLoss(loaded, saved, { optimizer: tf.train.adam(0.1) }),
 * });
 * expect(again.clock.step).toBe(3);
 * const next = await training.trainOnBatch(tf.eye(2), tf.eye(2));
 * expect(await again.trainOnBatch(tf.eye(2), tf.eye(2))).toEqual(next);
 * ```
 */
export async function saveWithLoss(
  training: ModelWithLoss,
  handlerOrURL: tf.io.IOHandler | string,
  options: SaveOptions = {},
): Promise<tf.io.SaveResult> {
  const where = "saveWithLoss(training, handlerOrURL)";
  const { model, optimizer, clock, parameters, loss } = training;
  const handler = handlerOf(handlerOrURL, "save", where);
  const { className, numbers, variables, lists } = stateOf(optimizer, lastingNames(weightsOf(model), parameters));
  const tensors: tf.NamedTensorMap = Object.fromEntries([
    ...Object.entries(variables).map(([field, tensor]) => [weightName(field), tensor] as const),
    ...Object.entries(lists).flatMap(([field, list]) =>
      list.flatMap((slot, i) => (slot === null ? [] : [[weightName(field, i), slot.tensor] as const])),
    ),
  ]);
  const values = await Promise.all([...parameters].map(async ([name, v]) => [name, (await v.data())[0]] as const));
  const metadata: Metadata = {
    version: 1,
    loss: (options.lossToJSON ?? toJSON)(loss),
    step: clock.step,
    parameters: Object.fromEntries(values),
    optimizer: {
      className,
      numbers,
      variables: Object.keys(variables),
      lists: Object.fromEntries(
        Object.entries(lists).map(([field, list]) => [field, list.map((slot) => (slot === null ? null : slot.name))]),
      ),
    },
  };
  const encoded = await tf.io.encodeWeights(tensors, "optimizer");
  const withOptimizer = tf.io.withSaveHandler(async (artifacts) => {
    const own = (artifacts.userDefinedMetadata ?? {}) as Record<string, unknown>;
    const data = [...[artifacts.weightData ?? []].flat(), encoded.data];
    const save = handler.save as NonNullable<tf.io.IOHandler["save"]>;
    return save.call(handler, {
      ...artifacts,
      userDefinedMetadata: { ...own, lossmith: metadata as unknown as Record<string, unknown> },
      weightSpecs: [...(artifacts.weightSpecs ?? []), ...encoded.specs],
      weightData: tf.io.concatenateArrayBuffers(data),
    });
  });
  return model.save(withOptimizer);
}

/**
 * Loads what `saveWithLoss` has saved: the training goes on where it was, with the same step, parameters and optimizer.
 *
 * @throws LossError for a model that was saved in another way, and for an optimizer of another class or parameters of other names.
 */
export async function loadWithLoss(
  handlerOrURL: tf.io.IOHandler | string,
  { resume, lossFromJSON: read = fromJSON }: LoadOptions,
): Promise<ModelWithLoss> {
  const where = "loadWithLoss(handlerOrURL, { resume })";
  const handler = handlerOf(handlerOrURL, "load", where);
  const load = handler.load as NonNullable<tf.io.IOHandler["load"]>;
  const artifacts = await load.call(handler);
  const { lossmith: metadata } = (artifacts.userDefinedMetadata ?? {}) as { readonly lossmith?: Metadata };
  if (metadata === undefined) {
    throw new LossError(
      where,
      "the model was saved without a loss",
      "Load it by tf.loadLayersModel, and give it a loss",
    );
  }
  if (metadata.version !== 1) {
    throw new LossError(where, `it has version ${String(metadata.version)}`, "Use the lossmith that has saved it");
  }
  if (
    typeof metadata.optimizer !== "object" ||
    typeof metadata.parameters !== "object" ||
    metadata.optimizer === null
  ) {
    throw new LossError(where, "what was saved beside the model is not whole", "Go back to an earlier one");
  }
  checkSize(artifacts, where);
  const { weights, optimizerWeights, specs, optimizerSpecs } = split(artifacts);
  const model = await tf.loadLayersModel({
    load: async () => ({ ...artifacts, weightSpecs: specs, weightData: weights }),
  });
  const training = resume(model, read(metadata.loss));
  const [saved, own] = [Object.keys(metadata.parameters), [...training.parameters.keys()]];
  if (saved.length !== own.length || own.some((name) => !(name in metadata.parameters))) {
    throw new LossError(
      where,
      `it has the parameters [${saved}], and the loss has [${own}]`,
      "Give the loss it was saved with",
    );
  }
  const tensors = tf.io.decodeWeights(optimizerWeights, optimizerSpecs);
  try {
    const names = lastingNames(weightsOf(training.model), training.parameters);
    restoreState(training.optimizer, stateFrom(metadata.optimizer, tensors), names, where);
  } finally {
    tf.dispose(tensors);
  }
  for (const [name, variable] of training.parameters) {
    tf.tidy(() => variable.assign(tf.scalar(metadata.parameters[name])));
  }
  training.clock.set(metadata.step);
  return training;
}

function stateFrom(optimizer: Metadata["optimizer"], tensors: tf.NamedTensorMap): OptimizerState {
  const { className, numbers, variables, lists } = optimizer;
  return {
    className,
    numbers,
    variables: Object.fromEntries(variables.map((field) => [field, tensors[weightName(field)]])),
    lists: Object.fromEntries(
      Object.entries(lists).map(([field, list]) => [
        field,
        list.map((name, i) => (name === null ? null : { name, tensor: tensors[weightName(field, i)] })),
      ]),
    ),
  };
}

/** Throws where weights are cut off. All of a model's and an optimizer's take four bytes a number, unless they are quantized or strings. */
function checkSize(artifacts: tf.io.ModelArtifacts, where: string): void {
  const all = artifacts.weightSpecs ?? [];
  if (all.some(({ dtype, quantization }) => quantization !== undefined || (dtype !== "float32" && dtype !== "int32")))
    return;
  const expected = all.reduce((sum, { shape }) => sum + 4 * tf.util.sizeFromShape(shape), 0);
  const found = [artifacts.weightData ?? []].flat().reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (found === expected) return;
  throw new LossError(where, `it has ${found} bytes of weights in place of ${expected}`, "Go back to an earlier one");
}

/** The model's weights and the optimizer's, which are behind them in one buffer. */
function split(artifacts: tf.io.ModelArtifacts): {
  readonly weights: ArrayBuffer;
  readonly optimizerWeights: ArrayBuffer;
  readonly specs: tf.io.WeightsManifestEntry[];
  readonly optimizerSpecs: tf.io.WeightsManifestEntry[];
} {
  const all = artifacts.weightSpecs ?? [];
  const data = tf.io.concatenateArrayBuffers([artifacts.weightData ?? []].flat());
  const isOptimizers = ({ name }: tf.io.WeightsManifestEntry): boolean => name.startsWith("optimizer/");
  const optimizerSpecs = all.filter(isOptimizers);
  // All of an optimizer's tensors are float32 or int32.
  const size = optimizerSpecs.reduce((sum, { shape }) => sum + 4 * tf.util.sizeFromShape(shape), 0);
  return {
    weights: data.slice(0, data.byteLength - size),
    optimizerWeights: data.slice(data.byteLength - size),
    specs: all.filter((spec) => !isOptimizers(spec)),
    optimizerSpecs,
  };
}

function handlerOf(given: tf.io.IOHandler | string, what: "save" | "load", where: string): tf.io.IOHandler {
  if (typeof given !== "string") {
    if (typeof given?.[what] === "function") return given;
    throw new LossError(where, `the handler cannot ${what}`, "Give an IOHandler of tf.io, or an address");
  }
  const handlers = what === "save" ? tf.io.getSaveHandlers(given) : tf.io.getLoadHandlers(given);
  if (handlers.length === 1) return handlers[0];
  throw new LossError(where, `there are ${handlers.length} handlers for "${given}"`, "Give an IOHandler of tf.io");
}
