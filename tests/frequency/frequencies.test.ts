import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { addK, countTokens, effectiveSampleSize, fromCounts, LossError, mergeCounts } from "lossmith";
import {
  type CorpusCounts,
  type CorpusDetails,
  corpusCounts,
  corpusCountsMonoid,
  countsFromJson,
  countsFromParquet,
  countsToJson,
  countsToParquet,
} from "lossmith/frequency";

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

describe("counts of a corpus", () => {
  const details: fc.Arbitrary<CorpusDetails> = fc.record({
    documents: fc.option(fc.nat({ max: 99 }), { nil: null }),
    ignored: fc.nat({ max: 99 }),
    skipped: fc.nat({ max: 99 }),
    forcedCuts: fc.nat({ max: 99 }),
    checksum: fc.constantFrom(null, "ab"),
    special: fc
      .subarray(["<a>", "<b>", "<c>"])
      .map((names) => Object.fromEntries(names.map((name, i) => [name, 7 - i]))),
  });
  const shard = fc
    .tuple(ids, details)
    .map(([tokens, rest]) => corpusCounts(count(tokens), { ...rest, tokenizer: "mine" }));
  /** The result, or that there is none. */
  const outcome = (merge: () => CorpusCounts): CorpusCounts | "refused" => {
    try {
      return merge();
    } catch (error) {
      expect(error).toBeInstanceOf(LossError);
      return "refused";
    }
  };

  test("are a commutative monoid with all that they say, also in what is refused", () => {
    const { concat, empty } = corpusCountsMonoid(vocabSize, { tokenizer: "mine" });
    fc.assert(
      fc.property(shard, shard, shard, (x, y, z) => {
        expect(outcome(() => concat(x, concat(y, z)))).toEqual(outcome(() => concat(concat(x, y), z)));
        expect(outcome(() => concat(x, y))).toEqual(outcome(() => concat(y, x)));
        expect(concat(x, empty)).toEqual(x);
        expect(outcome(() => mergeCounts(x, y, z))).toEqual(outcome(() => concat(concat(x, y), z)));
      }),
    );
  });

  test("of different vocabularies are refused, and the error says which shards and what", () => {
    const of = (rest: CorpusDetails, size = 2): CorpusCounts => corpusCounts(fromCounts(new Array(size).fill(1)), rest);
    const wrong: readonly (readonly [CorpusDetails, CorpusDetails, string])[] = [
      [{ tokenizer: "a" }, { tokenizer: "b" }, "shard 0 has the tokenizer a, shard 2 b"],
      [{ tokenizer: "a" }, {}, "shard 0 has the tokenizer a, shard 2 (not named). Say which tokenizer"],
      [{ checksum: "c" }, { checksum: "d" }, "a vocabulary with the checksum c, shard 2 d"],
      [{ special: { x: 0 } }, { special: { x: 1 } }, 'shard 0 has "x" at id 0, shard 2 at 1'],
    ];
    for (const [left, right, message] of wrong) {
      expect(() => mergeCounts(of(left), of(left), of(right))).toThrow(message);
    }
    expect(() => mergeCounts(of({}), of({}, 3))).toThrow("2 entries, shard 1 one of 3");
    expect(mergeCounts(of({ tokenizer: "a" }), fromCounts([1, 1]))).toEqual(fromCounts([2, 2]));
    expect(() => of({ special: { x: 2 } })).toThrow('"x" has the id 2');
    expect(() => of({ documents: -1 })).toThrow("corpusCounts({ documents })");
  });

  test("are read back bit-equal from JSON and from Parquet", async () => {
    const positive = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });
    await fc.assert(
      fc.asyncProperty(fc.array(positive, { minLength: vocabSize, maxLength: 20 }), details, async (numbers, rest) => {
        fc.pre(Number.isFinite(numbers.reduce((a, b) => a + b, 0)));
        const counts = corpusCounts(fromCounts(numbers.map((x) => x + 0)), rest);
        expect(countsFromJson(countsToJson(counts))).toEqual(counts);
        expect(await countsFromParquet(countsToParquet(counts))).toEqual(counts);
      }),
    );
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
