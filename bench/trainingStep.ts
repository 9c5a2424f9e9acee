/**
 * A whole training step of the demo's language model on the wasm backend: forward, backward, Adam and the loss read, in tokens
 * a second. Our cross entropy through `trainStep` and through `minimize`, TensorFlow.js's own on a one-hot, and a power-law decay
 * loss, in turn in one run, on the same batches. All have the kernels of `useBackend`: with TensorFlow.js's own the model does not
 * train, since the gradient of an embedding throws. Writes to bench/results; with --quick the model is small, and nothing
 * is written.
 */
import process from "node:process";
import * as tf from "@tensorflow/tfjs";
import { compile, countTokens, crossEntropy, freqWeights, pipe, powerLaw, useBackend } from "lossmith";
import { trainStep } from "lossmith/training";
import {
  copyModel,
  createModel,
  disposeModel,
  hiddenStates,
  type LanguageModel,
  logitsOf,
  variablesOf,
} from "../examples/model/languageModel.ts";
import { unigramLogits } from "../examples/model/vocabulary.ts";
import { type Contender, interleave, type Rounds } from "./interleaved.ts";
import { describeMachine, thisMachine } from "./machine.ts";
import { asJson, saveResult } from "./resultFiles.ts";
import { wallClock } from "./stopwatch.ts";
import { renderTitledText } from "./tables.ts";
import {
  type TrainingLoop,
  type TrainingShape,
  type TrainingStepMeasured,
  type TrainingStepResults,
  trainingLoops,
  trainingStepTable,
} from "./trainingStepResults.ts";

/** B · T tokens, window after window, and for each the token that follows. */
interface Batch {
  readonly inputs: Int32Array;
  readonly labels: Int32Array;
}

/** The loops whose losses are of one formula. */
const alike: readonly TrainingLoop[] = trainingLoops.slice(0, 3);

/** Takes a step on a batch, and gives its loss. */
interface Trainer {
  readonly step: (batch: Batch) => Promise<number>;
  readonly dispose: () => void;
}

const quick = process.argv.includes("--quick");
/** The demo's own sizes, and GPT-2's vocabulary under a wider model. */
const shapes: readonly TrainingShape[] = quick
  ? [{ vocabulary: 2048, width: 32, heads: 2, blocks: 1, window: 32, windows: 4 }]
  : [
      { vocabulary: 8192, width: 64, heads: 2, blocks: 1, window: 64, windows: 4 },
      { vocabulary: 50257, width: 128, heads: 4, blocks: 2, window: 64, windows: 8 },
    ];
const rounds: Rounds = quick
  ? { fewest: 3, most: 5, budgetMilliseconds: 2000 }
  : { fewest: 5, most: 21, budgetMilliseconds: 60_000 };
const warmUpSteps = 2;
const learningRate = 1e-3;

/** How far the losses of two loops may be apart after as many steps, relatively. */
const tolerance = 1e-4;

/** Batches whose tokens fall off with their rank as those of text do, the same in each run. */
function batchesOf({ vocabulary, windows, window }: TrainingShape, count: number): readonly Batch[] {
  const tokens = windows * window;
  return Array.from({ length: count }, (_, i) => {
    const uniform = tf.randomUniform([tokens + 1], 0, 1, "float32", i + 1);
    // The inverse of a distribution whose density is 1 / (1 + rank).
    const ids = Int32Array.from(uniform.dataSync(), (u) =>
      Math.min(vocabulary - 1, Math.floor((vocabulary + 1) ** u - 1)),
    );
    uniform.dispose();
    return { inputs: ids.slice(0, tokens), labels: ids.slice(1) };
  });
}

function trainerOf(loop: TrainingLoop, model: LanguageModel, frequencies: ReturnType<typeof countTokens>): Trainer {
  const optimizer = tf.train.adam(learningRate);
  const variables = variablesOf(model);
  const forward = (inputs: Int32Array): tf.Tensor2D => logitsOf(model, hiddenStates(model, inputs));
  const disposeOthers = (): void => {
    optimizer.dispose();
    disposeModel(model);
  };
  const minimizing = (loss: (logits: tf.Tensor2D, labels: Int32Array) => tf.Tensor): Trainer["step"] => {
    return async ({ inputs, labels }) => {
      const cost = optimizer.minimize(() => loss(forward(inputs), labels).asScalar(), true, variables) as tf.Scalar;
      const [value] = await cost.data();
      cost.dispose();
      return value;
    };
  };
  switch (loop) {
    case "cross entropy, trainStep":
    case "power-law decay loss, trainStep": {
      const pdl = pipe(crossEntropy, freqWeights(frequencies), powerLaw(0.5));
      const loss = loop === "cross entropy, trainStep" ? crossEntropy : pdl;
      const step = trainStep({ optimizer, loss, model: forward, variables });
      return {
        step: async ({ inputs, labels }) => (await step({ x: inputs, labels })).loss,
        dispose: () => {
          step.dispose();
          disposeOthers();
        },
      };
    }
    case "cross entropy, minimize": {
      const loss = compile(crossEntropy);
      return {
        step: minimizing((logits, labels) => loss({ logits, labels })),
        dispose: () => {
          loss.dispose();
          disposeOthers();
        },
      };
    }
    case "tf.losses.softmaxCrossEntropy, minimize": {
      const { vocabulary } = model.sizes;
      const oneHot = (labels: Int32Array): tf.Tensor => tf.oneHot(tf.tensor1d(labels, "int32"), vocabulary);
      return {
        step: minimizing((logits, labels) => tf.losses.softmaxCrossEntropy(oneHot(labels), logits)),
        dispose: disposeOthers,
      };
    }
  }
}

/** Loops of one formula must have the same loss after as many steps. */
function checkAgreement(losses: Readonly<Record<TrainingLoop, number>>): void {
  const [first] = alike;
  for (const loop of trainingLoops) {
    if (!Number.isFinite(losses[loop])) throw new Error(`the loss of "${loop}" is ${losses[loop]}`);
    if (!alike.includes(loop)) continue;
    if (Math.abs(losses[loop] - losses[first]) <= tolerance * Math.abs(losses[first])) continue;
    throw new Error(`the loss of "${first}" is ${losses[first]}, that of "${loop}" ${losses[loop]}`);
  }
}

/** Something for each loop. */
function each<T>(of: (loop: TrainingLoop) => T): Readonly<Record<TrainingLoop, T>> {
  return Object.fromEntries(trainingLoops.map((loop) => [loop, of(loop)])) as Record<TrainingLoop, T>;
}

async function measure(shape: TrainingShape): Promise<TrainingStepMeasured> {
  const { vocabulary, windows, window } = shape;
  const batches = batchesOf(shape, warmUpSteps + rounds.most);
  const frequencies = countTokens(
    batches.flatMap(({ labels }) => [...labels]),
    { vocabSize: vocabulary },
  );
  const start = createModel(shape, unigramLogits(frequencies), 1);
  const trainers = each((loop) => trainerOf(loop, copyModel(start), frequencies));
  disposeModel(start);
  for (const batch of batches.slice(0, warmUpSteps)) {
    const losses: Partial<Record<TrainingLoop, number>> = {};
    for (const loop of trainingLoops) {
      process.stderr.write(`  ${loop}: warm up\n`);
      losses[loop] = await trainers[loop].step(batch);
    }
    checkAgreement(losses as Record<TrainingLoop, number>);
  }
  const contenders = trainingLoops.map((loop): Contender<TrainingLoop> => {
    let next = warmUpSteps;
    return {
      name: loop,
      call: () => {
        const batch = batches[next++];
        const finish = async (): Promise<void> => void (await trainers[loop].step(batch));
        return wallClock(loop, { start: () => {}, finish });
      },
    };
  });
  const { rounds: done, timings } = await interleave(contenders, rounds);
  for (const loop of trainingLoops) trainers[loop].dispose();
  return {
    ...shape,
    rounds: done,
    tokensPerSecond: each((loop) => (1000 * windows * window) / (timings[loop]?.medianMilliseconds ?? Number.NaN)),
    ratios: each((loop) => timings[loop]?.medianRatioToFirst ?? Number.NaN),
  };
}

await useBackend("wasm");
const machine = thisMachine(null);
console.log(describeMachine(machine));
const measured: TrainingStepMeasured[] = [];
for (const shape of shapes) {
  const result = await measure(shape);
  measured.push(result);
  console.log(renderTitledText(trainingStepTable(result)));
}
if (!quick) saveResult("training-step.json", asJson({ machine, shapes: measured } satisfies TrainingStepResults));
