/** What a model and its losses do with batches: a step on one, and the measurement of many. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";
import type { MicroBatch } from "../gradients.ts";
import { type Head, headBatch, headValueOf, readingsOf, takeApart } from "../objective.ts";
import type { Stepper, Taken } from "../stepper.ts";
import { type Tally, tallyOf } from "../tally.ts";
import { batchesOfTensors, type StepFeed } from "./batches.ts";
import { prepare } from "./entries.ts";
import type { ClassWeight, Feed } from "./feed.ts";
import { type Masks, masksOf } from "./masks.ts";
import type { FitOptions } from "./options.ts";
import { penaltyOf } from "./penalties.ts";
import { inOrder, type PerName } from "./perOutput.ts";
import { whole } from "./wholeNumber.ts";

/** The loss, the loss of each output, named terms and metrics, by name. */
export type Logs = Record<string, number>;

/** The class weights of each output. */
export type ClassWeights = readonly (ClassWeight | undefined)[];

export interface ModelSteps {
  readonly model: tf.LayersModel;
  readonly heads: readonly Head[];
  readonly stepper: Stepper;
  /** A step on a batch, which may come in parts. */
  take(parts: readonly Feed[], weights: ClassWeights, at: string): Promise<Taken>;
  /** The loss and the metrics over all rows of some batches. */
  measureAll(batches: Iterable<StepFeed> | AsyncIterable<StepFeed>, weights: ClassWeights, at: string): Promise<Logs>;
  /** The same of what is in memory, in batches of 32 by default. */
  evaluateFeed(feed: Feed, batchSize: number | undefined, weights: ClassWeights, at: string): Promise<Logs>;
  classWeightsOf(given: FitOptions["classWeight"], at: string): ClassWeights;
}

export function modelSteps(model: tf.LayersModel, heads: readonly Head[], stepper: Stepper): ModelSteps {
  const { clock } = stepper;
  /** Numbers for a model that takes rows of them are rows of one, as in TensorFlow.js. */
  const inputsOf = (x: readonly tf.Tensor[]): readonly tf.Tensor[] =>
    x.map((tensor, i) => (tensor.rank === 1 && model.inputs[i].shape.length === 2 ? tensor.expandDims(-1) : tensor));
  const masksOfInputs = masksOf(model);
  const masks: Masks | null = masksOfInputs && ((x) => masksOfInputs(inputsOf(x)));

  const forward = (x: readonly tf.Tensor[], training: boolean): readonly tf.Tensor[] => {
    const inputs = [...inputsOf(x)];
    const outputs = model.apply(inputs.length === 1 ? inputs[0] : inputs, { training }) as tf.Tensor | tf.Tensor[];
    return Array.isArray(outputs) ? outputs : [outputs];
  };
  /** A step on a batch. */
  const take = async (parts: readonly Feed[], weights: ClassWeights, at: string): Promise<Taken> => {
    const prepared: ReturnType<typeof prepare>[] = [];
    try {
      const micro = parts.map((feed): MicroBatch => {
        const one = prepare(model, heads, masks, feed, weights, at);
        prepared.push(one);
        return { entries: one.entries, forward: () => ({ outputs: forward(feed.x, true), penalty: penaltyOf(model) }) };
      });
      return await stepper.take(micro);
    } finally {
      for (const { dispose } of prepared) dispose();
    }
  };

  /** Adds a batch to a tally, without training. */
  const measure = async (feed: Feed, weights: ClassWeights, tally: Tally, at: string): Promise<void> => {
    const { step } = clock;
    const { entries, dispose } = prepare(model, heads, masks, feed, weights, at);
    try {
      const readings = tf.tidy(() => {
        const outputs = forward(feed.x, false);
        const each = heads.map((head, i) => {
          const batch = headBatch(head, entries[i], outputs[i], step);
          return readingsOf(head, batch, headValueOf(head, batch, null));
        });
        const penalty = penaltyOf(model) ?? tf.scalar(0);
        return tf.concat([...each, penalty.reshape<tf.Tensor1D>([1])]);
      });
      try {
        const read = await readings.data();
        tally.add(takeApart(heads, read), read[read.length - 1], step);
      } finally {
        readings.dispose();
      }
    } finally {
      dispose();
    }
  };

  const measureAll = async (
    batches: Iterable<StepFeed> | AsyncIterable<StepFeed>,
    weights: ClassWeights,
    at: string,
  ): Promise<Logs> => {
    const tally = tallyOf(heads);
    for await (const { parts, dispose } of batches) {
      try {
        for (const feed of parts) await measure(feed, weights, tally, at);
      } finally {
        dispose();
      }
    }
    if (tally.batches === 0) throw new LossError(at, "there is no example", "Give at least one");
    return tally.logs();
  };

  const evaluateFeed = (
    feed: Feed,
    batchSize: number | undefined,
    weights: ClassWeights,
    at: string,
  ): Promise<Logs> => {
    const size = whole(batchSize ?? 32, `${at}, batchSize`, 1);
    return measureAll(batchesOfTensors(feed, { batchSize: size, parts: 1, limit: null, order: null }), weights, at);
  };

  const classWeightsOf = (given: FitOptions["classWeight"], at: string): ClassWeights => {
    if (given === undefined) return heads.map(() => undefined);
    if (heads.length === 1) return [given as ClassWeight];
    const isWeights = (one: unknown): boolean =>
      typeof one === "object" && one !== null && Object.values(one).every((weight) => typeof weight === "number");
    return inOrder(given as PerName<ClassWeight>, model.outputNames, isWeights, `${at}, classWeight`, true);
  };

  return { model, heads, stepper, take, measureAll, evaluateFeed, classWeightsOf };
}
