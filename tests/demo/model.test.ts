import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import { useBackend } from "lossmith";
import { train } from "../../examples/demo/training.ts";
import { textStream } from "../../examples/model/batches.ts";
import {
  copyModel,
  createModel,
  disposeModel,
  hiddenStates,
  type LanguageModel,
  logitsOf,
  variablesOf,
} from "../../examples/model/languageModel.ts";
import { classWeightsOf, plainLoss, powerLawDecayLoss } from "../../examples/model/losses.ts";
import { randomStream } from "../../examples/model/random.ts";
import { drawClass } from "../../examples/model/sampling.ts";
import { documentStream } from "../../examples/model/tokenizer.ts";
import { buildVocabulary, unigramLogits } from "../../examples/model/vocabulary.ts";
import { tinyAddresses, tinySettings } from "./tinyExperiment.ts";

const tokens = documentStream(tinyAddresses.map(({ text }) => text));
const vocabulary = buildVocabulary([tokens], 64);
const text = textStream(vocabulary, tokens);
const classes = Int32Array.from({ length: 400 }, (_, i) => i % 5);
/** A text in which every token tells the next one. */
const cycle = { inputs: classes, labels: classes };
const sizes = { ...tinySettings.sizes, vocabulary: vocabulary.size, blocks: 2 };

function tinyModel(): LanguageModel {
  return createModel(sizes, unigramLogits(vocabulary.frequencies), 1);
}

function logits(model: LanguageModel, inputs: Int32Array): number[][] {
  return tf.tidy(() => logitsOf(model, hiddenStates(model, inputs)).arraySync());
}

const trainingOptions = { steps: 40, windowsPerBatch: 4, learningRate: 0.02, random: randomStream(1, "batches") };

beforeAll(async () => {
  await useBackend("wasm");
});

describe("the language model", () => {
  test("is causal: logits depend on tokens up to their own and on no later one", () => {
    const model = tinyModel();
    const changed = 5;
    const inputs = Int32Array.from({ length: 2 * sizes.window }, (_, i) => i % vocabulary.size);
    const others = inputs.slice();
    others[changed] = vocabulary.size;
    const [before, after] = [logits(model, inputs), logits(model, others)];
    for (let row = 0; row < before.length; row++) {
      const seesChange = row >= changed && row < sizes.window;
      expect(before[row].some((z, i) => z !== after[row][i])).toBe(seesChange);
    }
    disposeModel(model);
  });

  test("starts near the unigram distribution", () => {
    const model = tinyModel();
    const [first] = logits(
      model,
      Int32Array.from({ length: sizes.window }, () => 1),
    );
    const unigram = unigramLogits(vocabulary.frequencies);
    expect(Math.max(...first.map((z, i) => Math.abs(z - unigram[i])))).toBeLessThan(0.5);
    disposeModel(model);
  });

  test("learns, and a copy learns on its own", async () => {
    const model = tinyModel();
    const copy = copyModel(model);
    const inputs = text.inputs.slice(0, sizes.window);
    const untouched = logits(model, inputs);
    const losses = await train(copy, plainLoss, cycle, { ...trainingOptions, onStep: () => {} });
    expect(losses.at(-1)).toBeLessThan(0.3 * losses[0]);
    expect(logits(model, inputs)).toEqual(untouched);
    expect(logits(copy, inputs)).not.toEqual(untouched);
    for (const each of [model, copy]) disposeModel(each);
  });

  test("every weight is trained", async () => {
    const model = tinyModel();
    const untouched = variablesOf(model).map((variable) => variable.arraySync());
    await train(model, plainLoss, text, { ...trainingOptions, steps: 2, onStep: () => {} });
    variablesOf(model).forEach((variable, i) => {
      expect(variable.arraySync()).not.toEqual(untouched[i]);
    });
    disposeModel(model);
  });

  test("training keeps the number of tensors flat and leaves none behind", async () => {
    const before = tf.memory().numTensors;
    const model = tinyModel();
    const counts: number[] = [];
    const loss = powerLawDecayLoss(vocabulary, 0.5);
    await train(model, loss, text, {
      ...trainingOptions,
      steps: 6,
      onStep: () => {
        counts.push(tf.memory().numTensors);
      },
    });
    disposeModel(model);
    expect(counts).toEqual(counts.map(() => counts[0]));
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("Power-Law Decay Loss in the demo", () => {
  test("weighs a class by count^−alpha, with token mean 1, and the end of text by 1", async () => {
    const { counts } = vocabulary.frequencies;
    const raw = counts.map((count) => count ** -0.5);
    const total = counts.reduce((sum, count) => sum + count, 0);
    const tokenMean = raw.reduce((sum, weight, i) => sum + weight * counts[i], 0) / total;
    const weights = await classWeightsOf(powerLawDecayLoss(vocabulary, 0.5), vocabulary.size);
    weights.forEach((weight, i) => {
      expect(weight).toBeCloseTo(i === vocabulary.endOfText ? 1 : raw[i] / tokenMean, 4);
    });
  });
});

describe("sampling", () => {
  const z = Float32Array.of(Math.log(1), Math.log(4), Math.log(3));

  test("draws by cumulated probability, the likeliest first", () => {
    const options = { temperature: 1, topTokens: 3 };
    // The probabilities 4/8, 3/8 and 1/8 of the classes 1, 2 and 0.
    expect([0, 0.49, 0.51, 0.87, 0.88, 0.99].map((chance) => drawClass(z, options, chance))).toEqual([
      1, 1, 2, 2, 0, 0,
    ]);
  });

  test("draws from the likeliest tokens alone, and a low temperature prefers them", () => {
    expect(drawClass(z, { temperature: 1, topTokens: 2 }, 0.9999)).toBe(2);
    expect(drawClass(z, { temperature: 0.01, topTokens: 3 }, 0.99)).toBe(1);
  });
});

describe("random streams", () => {
  test("are repeatable, differ by seed and name, and fill [0, 1) evenly", () => {
    const take = (seed: number, name: string): number[] => {
      const random = randomStream(seed, name);
      return Array.from({ length: 2000 }, () => random());
    };
    const numbers = take(1, "a");
    expect(take(1, "a")).toEqual(numbers);
    expect(take(2, "a")).not.toEqual(numbers);
    expect(take(1, "b")).not.toEqual(numbers);
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    expect(numbers.reduce((sum, x) => sum + x, 0) / numbers.length).toBeCloseTo(0.5, 1);
  });
});
