import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import { useBackend } from "lossmith";
import { drawPicture } from "../../examples/demo/charts.ts";
import { type Results, runExperiment } from "../../examples/demo/experiment.ts";
import { findings } from "../../examples/demo/findings.ts";
import { lines, silent } from "../../examples/demo/progress.ts";
import { renderReport } from "../../examples/demo/report.ts";
import { resultTable } from "../../examples/demo/resultTables.ts";
import { renderMarkdown, renderText } from "../../examples/report/tables.ts";
import { tinyAddresses, tinySettings } from "./tinyExperiment.ts";

describe("the experiment", () => {
  let results: Results;
  let tensorsBefore: number;

  beforeAll(async () => {
    await useBackend("wasm");
    tensorsBefore = tf.memory().numTensors;
    results = await runExperiment(tinySettings, tinyAddresses, silent);
  });

  test("leaves no tensor behind", () => {
    expect(tf.memory().numTensors).toBe(tensorsBefore);
  });

  test("with the same seed gives the same results, with another seed others", async () => {
    expect(await runExperiment(tinySettings, tinyAddresses, silent)).toEqual(results);
    const other = await runExperiment({ ...tinySettings, seed: 4 }, tinyAddresses, silent);
    expect(other.before.measurement.overall).not.toBe(results.before.measurement.overall);
  });

  test("counts nothing from held-out addresses", async () => {
    const heldOutYears = new Set(results.years.heldOut);
    const changed = tinyAddresses.map((address) =>
      heldOutYears.has(address.year) ? { ...address, text: `${address.text}. zebra zebra zebra zebra` } : address,
    );
    const other = await runExperiment(tinySettings, changed, silent);
    expect(other.vocabulary).toEqual(results.vocabulary);
    expect(other.crossEntropy.losses).toEqual(results.crossEntropy.losses);
    expect(other.powerLawDecay.losses).toEqual(results.powerLawDecay.losses);
    expect(other.tokens.heldOut).toBeGreaterThan(results.tokens.heldOut);
  });

  test("fine-tunes both models from the same weights on the same batches", () => {
    // alpha is 0 at the first step of its ramp, so that both losses are cross entropy there.
    expect(results.powerLawDecay.losses[0]).toBeCloseTo(results.crossEntropy.losses[0], 4);
    expect(results.powerLawDecay.losses[2]).not.toBeCloseTo(results.crossEntropy.losses[2], 4);
  });

  test("with alpha 0 makes PDL cross entropy", async () => {
    const { crossEntropy, powerLawDecay, effectiveSampleSize } = await runExperiment(
      { ...tinySettings, alpha: 0 },
      tinyAddresses,
      silent,
    );
    expect(powerLawDecay.measurement.overall).toBeCloseTo(crossEntropy.measurement.overall, 4);
    expect(effectiveSampleSize).toBeCloseTo(1, 6);
  });

  test("without the logits gives the same losses and measurements, but for rounding", async () => {
    const linear = await runExperiment({ ...tinySettings, linear: true }, tinyAddresses, silent);
    for (const model of ["before", "crossEntropy", "powerLawDecay"] as const) {
      linear[model].losses.forEach((loss, step) => {
        const dense = results[model].losses[step];
        expect(Math.abs(loss - dense)).toBeLessThan(2e-5 * dense);
      });
      const [measured, dense] = [linear[model].measurement.overall, results[model].measurement.overall];
      expect(Math.abs(measured - dense)).toBeLessThan(1e-4 * dense);
    }
  });

  test("has the overall loss as the mean of the bands, by their tokens", () => {
    const { heldOut, crossEntropy } = results;
    const weighed = crossEntropy.measurement.byBand.map((nll, i) =>
      heldOut.byBand[i] === 0 ? 0 : nll * heldOut.byBand[i],
    );
    const sum = weighed.reduce((total, nll) => total + nll, 0);
    expect(crossEntropy.measurement.overall).toBeCloseTo(sum / heldOut.overall, 9);
  });

  test("is reported with table, picture and findings made of its numbers", async () => {
    const environment = { runtime: "Test 1", backend: "wasm", packages: { lossmith: "0.0.0" }, seconds: 61.4 };
    const report = renderReport(results, environment, "picture.svg");
    const overall = results.powerLawDecay.measurement.overall.toFixed(3);
    expect(renderText(resultTable(results))).toContain(overall);
    expect(report).toContain(renderMarkdown(resultTable(results)));
    expect(report).toContain("](picture.svg)");
    expect(report).toContain("- total time: 61 s");
    const settings = report.slice(report.indexOf("## Settings"), report.indexOf("## Where")).match(/^- .*$/gm) ?? [];
    expect(settings.length).toBe(14);
    for (const setting of settings) expect(setting).toMatch(/^- [\w -]+: \S/);
    for (const sentence of findings(results)) expect(report).toContain(sentence);
    const picture = await drawPicture(results);
    expect(picture).toContain("<svg");
    expect(picture).toContain("Held-out loss by frequency band");
  });

  test("judges by its numbers: the findings turn with them", () => {
    const swapped = { ...results, crossEntropy: results.powerLawDecay, powerLawDecay: results.crossEntropy };
    const better = (sentences: string[]): boolean => /Overall it is better/.test(sentences.join(" "));
    expect(better(findings(swapped))).toBe(!better(findings(results)));
  });
});

describe("progress without a terminal", () => {
  test("is a plain line at every tenth, with loss and time left", () => {
    const written: string[] = [];
    let clock = 0;
    const phase = lines({ write: (line) => written.push(line) }, () => clock)("Training", 40);
    for (let step = 1; step <= 40; step++) {
      clock += 500;
      phase.update(step, 2);
    }
    phase.end();
    expect(written.length).toBe(10);
    expect(written[0]).toMatch(/^Training +10 % \| loss +2\.000 \| 18 s left\n$/);
  });
});

describe("tables", () => {
  const table = { header: ["a", "value"], rows: [["long name", "1"]] };

  test("align as text and escape as Markdown", () => {
    expect(renderText(table)).toBe("a          value\n─────────  ─────\nlong name      1");
    expect(renderMarkdown({ header: ["a|b"], rows: [] })).toBe("| a\\|b |\n| --- |");
  });
});
