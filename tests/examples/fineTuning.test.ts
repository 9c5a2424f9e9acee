import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import {
  crossEntropy,
  freqWeights,
  fromCounts,
  ignoreIndex,
  lossToJSON,
  perToken,
  pipe,
  powerLaw,
  scale,
  show,
  useBackend,
} from "lossmith";
import { UserError } from "../../examples/command/program.ts";
import { overlap } from "../../examples/finetuning/answers.ts";
import { drawBands, drawCurves } from "../../examples/finetuning/charts.ts";
import { type Results, runExperiment, type Watch } from "../../examples/finetuning/experiment.ts";
import { findings } from "../../examples/finetuning/findings.ts";
import { chosenLoss, lossNames } from "../../examples/finetuning/losses.ts";
import { renderReport } from "../../examples/finetuning/report.ts";
import { resultTable } from "../../examples/finetuning/resultTables.ts";
import { splitPairs } from "../../examples/finetuning/split.ts";
import { renderMarkdown } from "../../examples/report/tables.ts";
import { tinyCorpus, tinyPairs, tinySettings } from "./tinyFineTuning.ts";

const unwatched: Watch = () => [];
const folder = mkdtempSync(join(tmpdir(), "lossmith-losses-"));

afterAll(() => rmSync(folder, { recursive: true }));

/** All numbers that a run trains and measures with. */
function numbersOf({ before, contenders }: Results): number[] {
  return [before, ...contenders].flatMap(({ losses, measurement, validation }) => [
    ...losses,
    ...validation.map(({ loss }) => loss),
    measurement.overall,
    measurement.accuracy,
  ]);
}

function expectNear(received: readonly number[], expected: readonly number[], relative: number): void {
  expect(received.length).toBe(expected.length);
  received.forEach((value, i) => {
    expect(Math.abs(value - expected[i])).toBeLessThanOrEqual(relative * Math.abs(expected[i]));
  });
}

describe("fine-tuning", () => {
  let results: Results;
  let tensorsBefore: number;
  const tensorsOfSteps = new Map<string, number[]>();

  beforeAll(async () => {
    await useBackend("wasm");
    tensorsBefore = tf.memory().numTensors;
    results = await runExperiment(await tinySettings(), tinyCorpus, (name) => {
      const counts: number[] = [];
      tensorsOfSteps.set(name, counts);
      return [
        {
          onTrainBegin: async () => {},
          onBatchEnd: async () => void counts.push(tf.memory().numTensors),
          onEpochEnd: async () => {},
          onTrainEnd: async () => {},
        },
      ];
    });
  });

  test("keeps the number of tensors flat, and leaves none behind", () => {
    expect([...tensorsOfSteps.keys()]).toEqual(["pretraining", "cross entropy", "PDL 0", "PDL 0.5", "focal"]);
    for (const counts of tensorsOfSteps.values()) {
      expect(counts.length).toBe(3);
      expect(counts.slice(1)).toEqual(counts.slice(1).map(() => counts[0]));
    }
    expect(tf.memory().numTensors).toBe(tensorsBefore);
  });

  test("gives finite numbers, the same for the same seed", async () => {
    const numbers = numbersOf(results);
    expect(numbers.filter((value) => !Number.isFinite(value))).toEqual([]);
    expect(numbersOf(await runExperiment(await tinySettings(), tinyCorpus, unwatched))).toEqual(numbers);
  });

  test("with alpha 0 makes PDL cross entropy, and with another alpha not", () => {
    const [plain, zero, half] = results.contenders;
    expectNear(zero.losses, plain.losses, 1e-5);
    expectNear([zero.measurement.overall], [plain.measurement.overall], 1e-5);
    expect(half.losses[0]).not.toBeCloseTo(plain.losses[0], 3);
    expect(zero.effectiveSampleSize).toBeCloseTo(1, 6);
    expect(half.effectiveSampleSize).toBeLessThan(0.999);
  });

  test("begins each fine-tuning with the same weights", () => {
    const starts = results.contenders.map(({ validation }) => validation[0]);
    expect(starts).toEqual(starts.map(() => starts[0]));
    expect(starts[0].step).toBe(0);
  });

  test("counts nothing from held-out pairs", async () => {
    const held = new Set(splitPairs(tinyPairs, 5).heldOut.map(({ key }) => key));
    expect(held.size).toBeGreaterThan(0);
    const pairs = tinyPairs.map((pair) =>
      held.has(pair.key) ? { ...pair, response: `${pair.response} zebra zebra zebra` } : pair,
    );
    const other = await runExperiment(await tinySettings(), { ...tinyCorpus, pairs }, unwatched);
    expect(other.vocabulary).toEqual(results.vocabulary);
    expect(other.contenders.map(({ losses }) => losses)).toEqual(results.contenders.map(({ losses }) => losses));
    expect(other.heldOut.responseTokens).toBeGreaterThan(results.heldOut.responseTokens);
  });

  test("without the logits gives the same numbers, but for rounding", async () => {
    const linear = await runExperiment({ ...(await tinySettings()), linear: true }, tinyCorpus, unwatched);
    linear.contenders.forEach(({ losses }, i) => {
      expectNear(losses, results.contenders[i].losses, 2e-5);
    });
    expectNear(linear.before.losses, results.before.losses, 2e-5);
  });

  test("takes a batch in parts to the same numbers, with and without the logits", async () => {
    for (const linear of [false, true]) {
      const settings = { ...(await tinySettings()), accumulate: 4, linear };
      const { before, contenders } = await runExperiment(settings, tinyCorpus, unwatched);
      expectNear(before.losses, results.before.losses, 2e-5);
      contenders.forEach(({ losses }, i) => {
        expectNear(losses, results.contenders[i].losses, 2e-5);
      });
    }
  });

  test("pretrains on text of its own where there is some", async () => {
    const pretraining = ["the river and the stone ".repeat(40)];
    const other = await runExperiment(
      await tinySettings(),
      { ...tinyCorpus, pretraining, hasReferences: false },
      unwatched,
    );
    expect(other.pretrainingTokens).toBe(202);
    expect(other.before.losses).not.toEqual(results.before.losses);
    const environment = { runtime: "Test 1", backend: "wasm", packages: {}, seconds: 1 };
    const report = renderReport("T", other, environment);
    expect(report).toContain("pretraining text: other text, as named above, 202 tokens");
    expect(report).not.toContain("ROUGE");
  });

  test("is reported with table, pictures, samples and findings made of its numbers", async () => {
    const environment = { runtime: "Test 1", backend: "wasm", packages: { lossmith: "0.0.0" }, seconds: 61.4 };
    const report = renderReport("A title", results, environment);
    expect(report).toContain(renderMarkdown(resultTable(results)));
    for (const { measurement, name, loss } of results.contenders) {
      expect(report).toContain(measurement.overall.toFixed(3));
      expect(report).toContain(`| ${name} |`);
      expect(report).toContain(show(loss));
    }
    for (const sentence of findings(results)) expect(report).toContain(`- ${sentence}`);
    for (const { reference } of results.prompts) expect(report).toContain(`| reference | ${reference} |`);
    for (const picture of ["](curves.svg)", "](bands.svg)"]) expect(report).toContain(picture);
    expect(report).toMatch(/training: \d+ pairs with \d+ tokens of responses.* 0 documents \(0\.0 %\)/);
    for (const svg of [await drawCurves("A title", results), await drawBands("A title", results)]) {
      const has = (text: string): boolean => svg.includes(text);
      expect(["<svg", "A title", ">PDL 0.5<", ">focal<", "</svg>", "NaN"].map(has)).toEqual([
        ...Array.from({ length: 5 }, () => true),
        false,
      ]);
    }
  });

  test("is judged by its numbers: the findings turn with them", () => {
    const [plain, , half, focal] = results.contenders;
    const verdicts = (contenders: Results["contenders"]): string[] =>
      findings({ ...results, contenders }).flatMap((sentence) => sentence.match(/Overall it is (better|worse)/) ?? []);
    const swapped = verdicts([
      { ...plain, measurement: half.measurement },
      { ...half, measurement: plain.measurement },
    ]);
    const straight = verdicts([plain, half]);
    expect([...straight, ...swapped].filter((word) => /^(better|worse)$/.test(word)).sort()).toEqual([
      "better",
      "worse",
    ]);
    expect(findings({ ...results, contenders: [plain, focal] }).join()).not.toContain("PDL");
  });
});

describe("the loss of choice", () => {
  const file = (name: string, content: unknown): string => {
    const path = join(folder, name);
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  };
  const run = async (chosen: string, change: object = {}): Promise<Results> =>
    runExperiment({ ...(await tinySettings(chosen)), alphas: [], ...change }, tinyCorpus, unwatched);

  test("can be each of the named ones, with and without the logits", async () => {
    for (const name of lossNames) {
      const [dense, linear] = [await run(name), await run(name, { linear: true })];
      const [plain, chosen] = dense.contenders;
      expect(chosen.name).toBe(name);
      expect(chosen.losses).not.toEqual(plain.losses);
      expectNear(linear.contenders[1].losses, chosen.losses, 2e-5);
    }
  });

  test("can be a file's, whose prompt and padding are ignored too", async () => {
    const { contenders } = await run(file("twice.json", lossToJSON(pipe(crossEntropy, scale(2)))));
    const [plain, twice] = contenders;
    expect(twice.name).toBe("twice");
    expect(twice.losses[0]).toBeCloseTo(2 * plain.losses[0], 4);
  });

  test("can be what a run has written", async () => {
    const { contenders } = await runExperiment(await tinySettings(), tinyCorpus, unwatched);
    const again = await run(file("again.json", lossToJSON(contenders[2].loss)));
    expect(again.contenders[1].losses).toEqual(contenders[2].losses);
  });

  test("has another name than the others", async () => {
    const { contenders } = await run(file("PDL-0.5.json", lossToJSON(crossEntropy)), { alphas: [0.5] });
    expect(contenders.map(({ name }) => name)).toEqual(["cross entropy", "PDL 0.5", "PDL-0.5 of choice"]);
  });

  const refused = async (promise: Promise<unknown>): Promise<string> => {
    const error = await promise.then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(UserError);
    return (error as Error).message;
  };

  test("is refused where the file holds none, or one for something else; so is too little text", async () => {
    expect(await refused(chosenLoss(file("text.json", "no json")))).toMatch(/text\.json is no JSON/);
    expect(await refused(chosenLoss(file("other.json", { format: "x" })))).toMatch(/other\.json: .*format/);
    const broken = { ...lossToJSON(crossEntropy), version: 99 };
    expect(await refused(chosenLoss(file("version.json", broken)))).toMatch(/version\.json: .*version/);
    const tables = pipe(crossEntropy, freqWeights(fromCounts([1, 2, 3])), powerLaw(1), ignoreIndex(-100));
    expect(await refused(run(file("tables.json", lossToJSON(tables))))).toMatch(/the loss tables: .*3/);
    const rows = lossToJSON(pipe(crossEntropy, perToken));
    const few = { ...tinyCorpus, pairs: tinyPairs.slice(0, 1) };
    expect(await refused(runExperiment(await tinySettings(), few, unwatched))).toMatch(/1 pairs make/);
    const short = { ...tinyCorpus, pretraining: ["short"] };
    expect(await refused(runExperiment(await tinySettings(), short, unwatched))).toMatch(/2 tokens, and a window 12/);
    expect(await refused(run(file("rows.json", rows)))).toMatch(/the loss rows gives a number for each token/);
  });
});

describe("ROUGE-L", () => {
  test("is the F1 of the longest common subsequence of words", () => {
    // "the cat mat" of 4 and 6 words: 2 · 3 / (4 + 6).
    expect(overlap("The cat, a mat!", "the black cat on the mat")).toBeCloseTo(0.6, 12);
    expect(overlap("x", "x")).toBe(1);
    expect([overlap("", "x"), overlap("x", ""), overlap("a b", "c d")]).toEqual([0, 0, 0]);
  });
});
