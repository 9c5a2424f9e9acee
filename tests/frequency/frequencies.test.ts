import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { addK, countTokens, effectiveSampleSize, fromCounts, mergeCounts } from "lossmith";

const vocabSize = 8;
const ids = fc.array(fc.nat({ max: vocabSize - 1 }), { maxLength: 40 });
const count = (tokens: Iterable<number>) => countTokens(tokens, { vocabSize });

describe("countTokens", () => {
  test("counts arrays, typed arrays and iterables alike, ignored labels left out", () => {
    const tokens = [1, 5, 5, -100, 7];
    const expected = [0, 1, 0, 0, 0, 2, 0, 1];
    const generated = function* (): Iterable<number> {
      yield* tokens;
    };
    for (const form of [tokens, Int32Array.from(tokens), generated()])
      expect([...count(form).counts]).toEqual(expected);
    expect([...countTokens([3, 3, 0], { vocabSize, ignoreIndex: 3 }).counts]).toEqual([1, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe("mergeCounts", () => {
  test("is associative and commutative, and counts shards as the whole", () => {
    fc.assert(
      fc.property(ids, ids, ids, (a, b, c) => {
        const [x, y, z] = [a, b, c].map(count);
        const whole = count([...a, ...b, ...c]).counts;
        expect(mergeCounts(x, mergeCounts(y, z)).counts).toEqual(whole);
        expect(mergeCounts(mergeCounts(z, x), y).counts).toEqual(whole);
        expect(mergeCounts(x, fromCounts(new Uint32Array(vocabSize))).counts).toEqual(x.counts);
      }),
    );
  });

  test("does not change its inputs", () => {
    const x = fromCounts([1, 2]);
    mergeCounts(x, x);
    expect([...x.counts]).toEqual([1, 2]);
  });
});

test("addK is (c + k) / (N + k V)", () => {
  const { counts } = addK(0.5)(fromCounts([3, 0, 1]));
  const total = counts.reduce((a, b) => a + b, 0);
  expect([...counts].map((c) => c / total)).toEqual([3.5 / 5.5, 0.5 / 5.5, 1.5 / 5.5]);
});

test("fromCounts copies, so that later changes do not reach it", () => {
  const counts = new Float64Array([1, 2]);
  const frequencies = fromCounts(counts);
  counts[0] = 99;
  expect(frequencies.counts[0]).toBe(1);
});

test("effectiveSampleSize is Kish's, over tokens", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: vocabSize - 1 }), { minLength: 1, maxLength: 40 }), (tokens) => {
      const weights = [1, 2, 3, 0.5, 0.1, 4, 1, 1];
      const each = tokens.map((id) => weights[id]);
      const sum = each.reduce((a, b) => a + b, 0);
      const squares = each.reduce((a, b) => a + b * b, 0);
      expect(effectiveSampleSize(weights, count(tokens).counts)).toBeCloseTo(sum ** 2 / (tokens.length * squares), 12);
    }),
  );
});
