/** Smoothing of frequencies, against published numbers, the formulas in plain arrays, and what smoothing keeps. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  absoluteDiscounting,
  addK,
  countContinuations,
  type Frequencies,
  floor,
  fromCounts,
  goodTuring,
  jelinekMercer,
  kneserNey,
  LossError,
} from "lossmith";

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, x) => total + x, 0);

function expectCounts(actual: Iterable<number>, expected: Iterable<number>, tolerance = 1e-12): void {
  const [a, e] = [[...actual], [...expected]];
  expect(a.length).toBe(e.length);
  a.forEach((x, id) => {
    expect(Math.abs(x - e[id])).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(e[id])));
  });
}

/** Whole counts, some of them 0, of which some occur once and some twice. */
const countsArbitrary = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 900 })), {
    maxLength: 30,
  })
  .map((rest) => [1, 2, ...rest]);
const shareArbitrary = fc.integer({ min: 0, max: 20 }).map((n) => n / 20);

describe("floor", () => {
  test("is max(c, k), once by default", () => {
    fc.assert(
      fc.property(countsArbitrary, fc.integer({ min: 0, max: 20 }), (counts, k) => {
        expect([...floor(k)(fromCounts(counts)).counts]).toEqual(counts.map((c) => Math.max(c, k)));
      }),
    );
    expect([...floor()(fromCounts([0, 3])).counts]).toEqual([1, 3]);
  });
});

describe("jelinekMercer", () => {
  test("mixes with the uniform distribution, and keeps the total", () => {
    fc.assert(
      fc.property(countsArbitrary, shareArbitrary, (counts, lambda) => {
        const smoothed = jelinekMercer(lambda)(fromCounts(counts)).counts;
        const total = sum(counts);
        expectCounts(
          smoothed,
          counts.map((c) => total * ((lambda * c) / total + (1 - lambda) / counts.length)),
        );
        expect(sum(smoothed)).toBeCloseTo(total, 8);
      }),
    );
  });

  test("mixes with a background, whatever its total", () => {
    fc.assert(
      fc.property(countsArbitrary, shareArbitrary, fc.integer({ min: 1, max: 9 }), (counts, lambda, factor) => {
        const background = counts.map((_, id) => factor * (id + 1));
        const smoothed = jelinekMercer(lambda, { background: fromCounts(background) })(fromCounts(counts)).counts;
        const total = sum(counts);
        expectCounts(
          smoothed,
          counts.map((c, id) => lambda * c + ((1 - lambda) * total * background[id]) / sum(background)),
        );
      }),
    );
  });

  test("at 1 changes nothing, at 0 is the background", () => {
    const counted = fromCounts([5, 0, 1]);
    expect([...jelinekMercer(1)(counted).counts]).toEqual([5, 0, 1]);
    expectCounts(jelinekMercer(0)(counted).counts, [2, 2, 2]);
  });
});

describe("absoluteDiscounting", () => {
  const naive = (counts: readonly number[], d: number, shares: readonly number[]): number[] => {
    const seen = counts.filter((c) => c > 0).length;
    return counts.map((c, id) => Math.max(c - d, 0) + d * seen * shares[id]);
  };

  test("takes the discount from every seen entry, spreads it evenly, and keeps the total", () => {
    fc.assert(
      fc.property(countsArbitrary, shareArbitrary, (counts, discount) => {
        const smoothed = absoluteDiscounting({ discount })(fromCounts(counts)).counts;
        expectCounts(smoothed, naive(counts, discount, new Array<number>(counts.length).fill(1 / counts.length)));
        expect(sum(smoothed)).toBeCloseTo(sum(counts), 8);
      }),
    );
  });

  test("estimates the discount as n₁ / (n₁ + 2 n₂)", () => {
    fc.assert(
      fc.property(countsArbitrary, (counts) => {
        const [once, twice] = [1, 2].map((times) => counts.filter((c) => c === times).length);
        const discount = once / (once + 2 * twice);
        const estimated = absoluteDiscounting()(fromCounts(counts)).counts;
        expect(estimated).toEqual(absoluteDiscounting({ discount })(fromCounts(counts)).counts);
      }),
    );
  });

  test("spreads it by a background", () => {
    const background = fromCounts([1, 1, 6]);
    const smoothed = absoluteDiscounting({ discount: 0.5, background })(fromCounts([7, 1, 0])).counts;
    expectCounts(smoothed, naive([7, 1, 0], 0.5, [1 / 8, 1 / 8, 6 / 8]));
  });

  test("takes no more than there is from a count below the discount", () => {
    const smoothed = absoluteDiscounting({ discount: 0.5 })(fromCounts([2, 0.25])).counts;
    expectCounts(smoothed, [1.5 + 0.375, 0.375]);
  });
});

describe("goodTuring", () => {
  /** Counts of which `entries[i]` are `counts[i]`, and `unseen` are 0. */
  const table = (counts: readonly number[], entries: readonly number[], unseen: number): Frequencies =>
    fromCounts([
      ...counts.flatMap((count, i) => new Array<number>(entries[i]).fill(count)),
      ...new Array<number>(unseen).fill(0),
    ]);

  test("golden 22", () => {
    const counts = [1, 1, 2, 3, 4, 4, 4, 5, 5, 6, 6, 6, 7, 7, 8, 9, 10];
    const smoothed = goodTuring()(fromCounts([...counts, 0, 0])).counts;
    const probability = (id: number): number => smoothed[id] / sum(counts);
    expect(Math.abs(probability(0) - 0.0176498)).toBeLessThanOrEqual(5e-8);
    expect(Math.abs(probability(counts.indexOf(8)) - 0.0843305)).toBeLessThanOrEqual(5e-8);
    expect(Math.abs(probability(17) + probability(18) - 0.0227273)).toBeLessThanOrEqual(5e-8);
    expect(smoothed[17]).toBe(smoothed[18]);
  });

  test("a published test of another library", () => {
    const r = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12];
    const entries = [120, 40, 24, 13, 15, 5, 11, 2, 2, 1, 3];
    const published = [
      0.0009267, 0.0024393, 0.0040945, 0.0058063, 0.0075464, 0.0093026, 0.0110689, 0.0128418, 0.0146194, 0.0164005,
      0.0199696,
    ];
    const counted = table(r, entries, 10);
    const smoothed = goodTuring()(counted).counts;
    r.forEach((count, i) => {
      const id = counted.counts.indexOf(count);
      expect(Math.abs(smoothed[id] / 586 - published[i])).toBeLessThanOrEqual(5e-8);
    });
    expect(Math.abs((10 * smoothed[counted.counts.indexOf(0)]) / 586 - 0.2047782)).toBeLessThanOrEqual(5e-8);
  });

  /** The raw and the line's estimates for a table, and goodTuring's result given those that it uses. */
  function estimatesOf(r: readonly number[], entries: readonly number[]) {
    const total = sum(r.map((count, i) => count * entries[i]));
    const points = r.map((count, i) => [
      Math.log(count),
      Math.log(entries[i] / (0.5 * ((r[i + 1] ?? 2 * count - r[i - 1]) - (r[i - 1] ?? 0)))),
    ]);
    const [meanX, meanY] = [0, 1].map((axis) => sum(points.map((point) => point[axis])) / points.length);
    const slope = sum(points.map(([x, y]) => (x - meanX) * (y - meanY))) / sum(points.map(([x]) => (x - meanX) ** 2));
    const line = r.map((count) => count * (1 + 1 / count) ** (slope + 1));
    const above = r.map((count) => entries[r.indexOf(count + 1)] ?? 0);
    const raw = r.map((count, i) => ((count + 1) * above[i]) / entries[i]);
    const deviations = r.map((count, i) => {
      const deviation = Math.sqrt((count + 1) ** 2 * (above[i] / entries[i] ** 2) * (1 + above[i] / entries[i]));
      return Math.abs(raw[i] - line[i]) / deviation;
    });
    const expected = (isRaw: (i: number) => boolean): number[] => {
      const estimates = r.map((_, i) => (isRaw(i) ? raw[i] : line[i]));
      const scale = (total - entries[0]) / sum(estimates.map((x, i) => x * entries[i]));
      return estimates.map((x) => x * scale);
    };
    const actual = (confidence: number): number[] => {
      const counted = table(r, entries, 7);
      const { counts } = goodTuring({ confidence })(counted);
      return r.map((count) => counts[counted.counts.indexOf(count)]);
    };
    return { deviations, expected, actual };
  }

  test("uses the raw estimates up to the first that tells no more than the line", () => {
    // The line is far from what the first three have.
    const { deviations, expected, actual } = estimatesOf([1, 2, 3, 4, 5, 6], [10_000, 2000, 1500, 200, 136, 90]);
    expect(Math.min(...deviations.slice(0, 3))).toBeGreaterThan(3);
    expect(deviations[3]).toBeLessThan(1.96);
    const firstThree = expected((i) => i < 3);
    expectCounts(actual(1.96), firstThree);
    const none = expected(() => false);
    expectCounts(actual(1e6), none);
    // No entry was seen 7 times, so the last is the line's whatever the confidence.
    const allButLast = expected((i) => i < 5);
    expectCounts(actual(0), allButLast);
  });

  test("uses no raw estimate beyond a gap", () => {
    const { deviations, expected, actual } = estimatesOf([1, 2, 4, 5, 6], [10_000, 2000, 900, 800, 40]);
    expect(deviations[2]).toBeGreaterThan(1.96);
    const first = expected((i) => i < 1);
    expectCounts(actual(0), first);
  });

  test("gives the unseen N₁ / N, the same counts the same, and keeps the total", () => {
    fc.assert(
      fc.property(countsArbitrary, (counts) => {
        const smoothed = goodTuring()(fromCounts([...counts, 0])).counts;
        const [total, once] = [sum(counts), counts.filter((c) => c === 1).length];
        expect(sum(smoothed)).toBeCloseTo(total, 7);
        const unseen = [...counts, 0].map((c, id) => (c === 0 ? smoothed[id] : 0));
        expect(sum(unseen)).toBeCloseTo(once, 9);
        counts.forEach((c, id) => {
          expect(smoothed[id]).toBe(smoothed[counts.indexOf(c)]);
          expect(smoothed[id]).toBeGreaterThan(0);
        });
      }),
    );
  });

  test("leaves the share of the unseen out where every entry was seen", () => {
    const smoothed = goodTuring()(fromCounts([1, 2, 2, 5])).counts;
    expect(sum(smoothed)).toBeCloseTo(9, 12);
  });

  test("gives the unseen nothing where no entry was seen once", () => {
    expect(goodTuring()(fromCounts([2, 3, 5, 0])).counts[3]).toBe(0);
  });
});

describe("countContinuations", () => {
  const sentences = [
    [7, 1, 5, 4, 7, 3],
    [7, 2, 5, 4, 7, 1],
    [0, 2, 6, 7, 3],
  ];
  const options = { vocabSize: 8 };

  test("NLTK's counts for three sentences", () => {
    expect([...countContinuations(sentences, options).counts]).toEqual([0, 1, 2, 1, 1, 2, 1, 2]);
  });

  test("sequences in any form, and pairs", () => {
    const expected = countContinuations(sentences, options).counts;
    const generated = function* (): Iterable<Iterable<number>> {
      for (const sentence of sentences) yield Int32Array.from(sentence);
    };
    const pairs = sentences.flatMap((sentence) => sentence.slice(1).map((token, i) => [sentence[i], token]));
    expect(countContinuations(generated(), options).counts).toEqual(expected);
    expect(countContinuations(pairs, options).counts).toEqual(expected);
  });

  test("a stream of ids is one sequence, which an ignored label cuts", () => {
    const stream = sentences.flatMap((sentence) => [...sentence, -100]);
    const expected = countContinuations(sentences, options).counts;
    expect(countContinuations(stream, options).counts).toEqual(expected);
    expect(countContinuations(Int32Array.from(stream), options).counts).toEqual(expected);
    expect([...countContinuations([0, 9, 1, 0], { vocabSize: 2, ignoreIndex: 9 }).counts]).toEqual([1, 0]);
    expect([...countContinuations([0, 1, 0], { vocabSize: 2 }).counts]).toEqual([1, 1]);
  });

  test("is the number of different tokens before each token", () => {
    const sequences = fc.array(fc.array(fc.nat({ max: 5 }), { maxLength: 12 }), { maxLength: 6 });
    fc.assert(
      fc.property(sequences, (given) => {
        const pairs = new Set(given.flatMap((s) => s.slice(1).map((token, i) => `${s[i]} ${token}`)));
        const { counts } = countContinuations(given, { vocabSize: 6 });
        counts.forEach((count, id) => {
          expect(count).toBe([...pairs].filter((pair) => pair.endsWith(` ${id}`)).length);
        });
        expect(sum(counts)).toBe(pairs.size);
      }),
    );
  });

  test("repeating the corpus changes nothing", () => {
    const twice = countContinuations([...sentences, ...sentences], options).counts;
    expect(twice).toEqual(countContinuations(sentences, options).counts);
  });
});

describe("kneserNey", () => {
  const sentences = [
    [7, 1, 5, 4, 7, 3],
    [7, 2, 5, 4, 7, 1],
    [0, 2, 6, 7, 3],
  ];
  test("without a discount is NLTK's unigram distribution", () => {
    const { counts } = kneserNey(sentences, { vocabSize: 8, discount: 0 });
    expectCounts(
      counts.map((count) => count / sum(counts)),
      [0, 0.1, 0.2, 0.1, 0.1, 0.2, 0.1, 0.2],
    );
  });

  test("discounts and interpolates with 1 / V", () => {
    const continuations = [0, 1, 2, 1, 1, 2, 1, 2];
    // Four tokens follow one other, three follow two.
    for (const [given, d] of [
      [{ discount: 0.75 }, 0.75],
      [{}, 4 / 10],
    ] as const) {
      const { counts } = kneserNey(sentences, { vocabSize: 8, ...given });
      expectCounts(
        counts.map((count) => count / 10),
        continuations.map((a) => (Math.max(a - d, 0) + (d * 7) / 8) / 10),
      );
      expect(sum(counts)).toBeCloseTo(10, 12);
    }
  });
});

describe("wrong input", () => {
  const anything = (x: unknown): never => x as never;
  const counted = fromCounts([3, 1, 0]);
  const cases: readonly (readonly [string, () => unknown, ...string[]])[] = [
    ["floor below 0", () => floor(-1), "floor(k): got -1"],
    ["floor of no frequencies", () => floor()(anything([1, 2])), "floor: got no Frequencies", "fromCounts"],
    ["add-k of no frequencies", () => addK(1)(anything(undefined)), "addK: got no Frequencies"],
    ["a share above 1", () => jelinekMercer(1.5), "jelinekMercer(lambda): got 1.5", "from 0 to 1"],
    ["nothing to smooth", () => jelinekMercer(0.5)(fromCounts([0, 0])), "all counts are 0"],
    [
      "a background of another size",
      () => jelinekMercer(0.5, { background: fromCounts([1]) })(counted),
      "jelinekMercer({ background })",
      "it has 1 entries",
      "have 3",
    ],
    [
      "a background of nothing",
      () => absoluteDiscounting({ discount: 0.5, background: fromCounts([0, 0, 0]) })(counted),
      "absoluteDiscounting({ background })",
      "all its counts are 0",
    ],
    [
      "a background that is an array",
      () => jelinekMercer(0.5, { background: anything([1, 1, 1]) })(counted),
      "jelinekMercer({ background }): got no Frequencies",
    ],
    ["a discount above 1", () => absoluteDiscounting({ discount: 2 }), "absoluteDiscounting({ discount }): got 2"],
    [
      "no discount to estimate",
      () => absoluteDiscounting()(fromCounts([3, 5])),
      "no entry was seen once or twice",
      "Give { discount }",
    ],
    ["nothing to discount", () => absoluteDiscounting()(fromCounts([0])), "all counts are 0"],
    ["confidence below 0", () => goodTuring({ confidence: -1 }), "goodTuring({ confidence }): got -1"],
    ["counts that are not whole", () => goodTuring()(fromCounts([1, 2.5])), "the count of id 1 is 2.5", "whole counts"],
    ["one count alone", () => goodTuring()(fromCounts([2, 2, 0])), "seen 2 times", "two different counts"],
    ["nothing counted", () => goodTuring()(fromCounts([0, 0])), "all counts are 0"],
    ["no sequences", () => countContinuations(anything(7), { vocabSize: 4 }), "countContinuations(sequences): got 7"],
    ["no vocabSize", () => countContinuations([[1]], anything({})), "countContinuations({ vocabSize }): got undefined"],
    [
      "an id outside, by its position among all",
      () =>
        countContinuations(
          [
            [0, 1],
            [2, 4],
          ],
          { vocabSize: 4 },
        ),
      "the id at position 3 is 4",
      "from 0 to 3",
    ],
    ["an id that is text", () => countContinuations(anything([["0"]]), { vocabSize: 4 }), "position 0"],
    ["no pair", () => kneserNey([[0], [1]], { vocabSize: 2 }), "all counts are 0"],
    [
      "a discount that is text",
      () => kneserNey([[0, 1]], { vocabSize: 2, discount: anything("1") }),
      "kneserNey({ discount })",
    ],
  ];
  for (const [name, run, ...parts] of cases) {
    test(name, () => {
      let message = "no error";
      try {
        run();
      } catch (error) {
        expect(error).toBeInstanceOf(LossError);
        message = (error as LossError).message;
      }
      for (const part of parts) expect(message).toContain(part);
    });
  }
});
