/** The ways to write cross entropy in tensorflow.js that are compared. */
import * as tf from "@tensorflow/tfjs";
import { compile, crossEntropy } from "lossmith";
import type { HostBatch } from "./batches.ts";

/** A loss of logits [N, V]. */
export type Form = (logits: tf.Tensor2D) => tf.Scalar;

/** The names of the forms, as tables show them. */
export const formNames = ["lossmith", "softmaxCrossEntropy", "logSoftmax"] as const;
export type FormName = (typeof formNames)[number];

/**
 * The forms for the labels of a batch. The labels come as integers, so the two forms that need a one-hot of them make it
 * in each call, as a training step does.
 */
export function formsOf({ shape, labels }: Pick<HostBatch, "shape" | "labels">): Readonly<Record<FormName, Form>> {
  const { rows, classes } = shape;
  const fused = compile(crossEntropy);
  const oneHot = (): tf.Tensor => tf.oneHot(labels, classes);
  return {
    lossmith: (logits) => fused({ logits, labels }),
    softmaxCrossEntropy: (logits) => tf.losses.softmaxCrossEntropy(oneHot(), logits),
    logSoftmax: (logits) => tf.neg(tf.div(tf.sum(tf.mul(oneHot(), tf.logSoftmax(logits))), rows)),
  };
}
