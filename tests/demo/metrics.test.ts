import { describe, expect, test } from "bun:test";
import { batchesOf, type HeldOutText } from "../../examples/demo/evaluation.ts";
import { measureUnigram } from "../../examples/model/measurement.ts";
import { distinct, effectiveSampleSize, repetition } from "../../examples/model/textMetrics.ts";
import { runningAverage } from "../../examples/report/smoothing.ts";

describe("metrics by hand", () => {
  test("distinct-2 is over all texts together", () => {
    // 1 2, 2 1, 1 2 and 1 2: two different bigrams of four.
    expect(distinct([[1, 2, 1, 2], [1, 2].slice(1), [1, 2]], 2)).toBe(2 / 4);
    expect(distinct([[1]], 2)).toBeNaN();
  });

  test("repetition is averaged over texts, leaving out those too short", () => {
    expect(repetition([[1, 2, 1, 2], [1, 2, 3], [5]], 2)).toBeCloseTo((1 - 2 / 3 + 0) / 2, 12);
    expect(repetition([[1, 1, 1, 1, 1]], 4)).toBe(0.5);
  });

  test("effective sample size", () => {
    expect(effectiveSampleSize([2, 2], [5, 3])).toBe(1);
    expect(effectiveSampleSize([0, 1], [3, 1])).toBe(1 / 4);
    // Weights 1, 1 and 2: (1 + 1 + 2)² / (3 · 6).
    expect(effectiveSampleSize([1, 2], [2, 1])).toBeCloseTo(16 / 18, 12);
  });

  test("a running average starts at the first value and keeps 0.95 of the past", () => {
    const average = runningAverage();
    expect(average(4)).toBe(4);
    expect(average(1)).toBeCloseTo((0.95 * 4 + 1) / 1.95, 12);
  });

  test("the unigram's negative log likelihood by band, without ignored labels", () => {
    const heldOut: HeldOutText = {
      text: { inputs: Int32Array.of(9, 0, 100, 2000, 0, 0), labels: Int32Array.of(9, 0, 100, 2000, -100, 0) },
      window: 5,
      tokens: 5,
    };
    const logProbabilities = new Float32Array(2001).fill(-8);
    logProbabilities[0] = -1;
    const { overall, byBand, rareAccuracy } = measureUnigram(logProbabilities, batchesOf(heldOut));
    // The labels after the first token: 0, 100, 2000, ignored, 0.
    expect(overall).toBe((1 + 8 + 8 + 1) / 4);
    expect(byBand.slice(0, 3)).toEqual([1, 8, 8]);
    expect(byBand[3]).toBeNaN();
    expect(rareAccuracy).toBe(0);
  });
});
