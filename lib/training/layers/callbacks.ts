/** TensorFlow.js's callbacks around a loop. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";

/** What `fit` and `fitDataset` take as callbacks. */
export type Callbacks = tf.CustomCallbackArgs | tf.CustomCallbackArgs[] | tf.Callback | tf.Callback[] | BaseCallback[];

/** tf.CustomCallback's and tf.Callback's common class, which TensorFlow.js does not export. */
type BaseCallback = tf.CallbackList["callbacks"][number];

export type YieldEvery = ConstructorParameters<typeof tf.CustomCallback>[1];

/** The callbacks as one, and the history that they fill. */
export function callbacksOf(
  model: tf.LayersModel,
  callbacks: Callbacks | undefined,
  yieldEvery: YieldEvery | undefined,
  params: tf.CallbackList["callbacks"][number]["params"],
): { readonly list: tf.CallbackList; readonly history: tf.History } {
  const given =
    callbacks === undefined || callbacks === null ? [{}] : Array.isArray(callbacks) ? callbacks : [callbacks];
  const history = new tf.History();
  const list = new tf.CallbackList([...given.map((one) => callbackOf(one, yieldEvery)), history]);
  list.setParams(params);
  list.setModel(model);
  return { list, history };
}

function callbackOf(callback: unknown, yieldEvery: YieldEvery | undefined): BaseCallback {
  if (typeof callback !== "object" || callback === null) {
    throw new LossError("callbacks", `got ${String(callback)}`, "Give { onBatchEnd, onEpochEnd, … } or a tf.Callback");
  }
  if ("setParams" in callback) return callback as BaseCallback;
  return new tf.CustomCallback(callback as tf.CustomCallbackArgs, yieldEvery ?? "auto");
}
