/** The ways to write cross entropy in tensorflow.js that are compared. */
import * as tf from "@tensorflow/tfjs";
import { type BackendName, compile, crossEntropy } from "lossmith";
import type { HostBatch } from "./batches.ts";

/** A loss of logits [N, V]. */
export type Form = (logits: tf.Tensor2D) => tf.Scalar;

/**
 * The names of the forms, as tables show them. The second and third run on tensorflow.js as it comes; the last two on
 * the wasm backend as `useBackend` leaves it, which also speeds them up.
 */
export const formNames = [
  "lossmith",
  "softmaxCrossEntropy",
  "logSoftmax",
  "softmaxCrossEntropyOnOurs",
  "logSoftmaxOnOurs",
] as const;
export type FormName = (typeof formNames)[number];

/** The forms that differ on a backend: only on wasm does `useBackend` replace a kernel that they run. */
export function formNamesOn(backend: BackendName): readonly FormName[] {
  return backend === "wasm" ? formNames : formNames.slice(0, 3);
}

/** Whether a form runs on tensorflow.js's own kernels alone. */
export function isStock(form: FormName): boolean {
  return form === "softmaxCrossEntropy" || form === "logSoftmax";
}

/**
 * The forms for the labels of a batch. The labels come as integers, so the two forms that need a one-hot of them make it
 * in each call, as a training step does.
 */
export function formsOf({ shape, labels }: Pick<HostBatch, "shape" | "labels">): Readonly<Record<FormName, Form>> {
  const { rows, classes } = shape;
  const fused = compile(crossEntropy);
  const oneHot = (): tf.Tensor => tf.oneHot(labels, classes);
  const softmaxCrossEntropy: Form = (logits) => tf.losses.softmaxCrossEntropy(oneHot(), logits);
  const logSoftmax: Form = (logits) => tf.neg(tf.div(tf.sum(tf.mul(oneHot(), tf.logSoftmax(logits))), rows));
  return {
    lossmith: (logits) => fused({ logits, labels }),
    softmaxCrossEntropy,
    logSoftmax,
    softmaxCrossEntropyOnOurs: softmaxCrossEntropy,
    logSoftmaxOnOurs: logSoftmax,
  };
}
