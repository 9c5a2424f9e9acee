import { describe, expect, test } from "bun:test";
import { loadAddresses } from "../../examples/corpora/addresses.ts";
import { recentFrom, splitAddresses } from "../../examples/demo/corpus.ts";
import { bandOf, bands, isRare } from "../../examples/model/bands.ts";
import { documentStream, endOfText } from "../../examples/model/tokenizer.ts";
import { buildVocabulary, ignoredLabel, toInputs, toLabels, unigramLogits } from "../../examples/model/vocabulary.ts";

describe("the corpus", () => {
  const addresses = loadAddresses();
  const { pretraining, fineTuning, heldOut } = splitAddresses(addresses);

  test("is split without overlap and without loss", () => {
    const parts = [...pretraining, ...fineTuning, ...heldOut];
    expect(parts.length).toBe(addresses.length);
    expect(new Set(parts.map(({ text }) => text)).size).toBe(addresses.length);
  });

  test("is pretrained on old addresses, and fine-tuned and measured on recent ones of the same years", () => {
    expect(Math.max(...pretraining.map(({ year }) => year))).toBe(recentFrom - 1);
    const fineTuningYears = fineTuning.map(({ year }) => year);
    for (const { year } of heldOut) {
      expect(year).toBeGreaterThan(Math.min(...fineTuningYears));
      expect(year).toBeLessThan(Math.max(...fineTuningYears));
      expect(fineTuningYears).not.toContain(year);
    }
    expect(heldOut.length).toBe(8);
  });

  test("ends every address with the end of text, which the tokenizer does not make", () => {
    const tokens = documentStream(["one two", "three"]);
    expect([...tokens]).toEqual([505, 734, 50256, 15542, 50256]);
  });
});

describe("the vocabulary", () => {
  const text = Int32Array.of(7, 7, 7, 5, 5, 9, 3, endOfText);
  const vocabulary = buildVocabulary([text.subarray(0, 4), text.subarray(4)], 4);

  test("holds the most frequent tokens by rank, and the end of text whatever its count", () => {
    expect([...vocabulary.tokenOf]).toEqual([7, 5, 3, endOfText]);
    expect([...vocabulary.frequencies.counts]).toEqual([3, 2, 1, 1]);
    expect(vocabulary.endOfText).toBe(3);
  });

  test("reads unknown tokens as one extra index and ignores them as labels", () => {
    expect([...toInputs(vocabulary, Int32Array.of(5, 9, 11))]).toEqual([1, 4, 4]);
    expect([...toLabels(vocabulary, Int32Array.of(5, 9, 11))]).toEqual([1, ignoredLabel, ignoredLabel]);
  });

  test("has unigram probabilities by Laplace's rule", () => {
    expect([...unigramLogits(vocabulary.frequencies)].map((z) => Math.round(11 * Math.exp(z)))).toEqual([4, 3, 2, 2]);
  });
});

describe("the bands", () => {
  test("partition the ranks", () => {
    const sizes = bands.map(() => 0);
    for (let index = 0; index < 8192; index++) {
      const holding = bands.filter(({ first, last }) => index + 1 >= first && index + 1 <= last);
      expect(holding.length).toBe(1);
      expect(holding[0]).toBe(bands[bandOf(index)]);
      sizes[bandOf(index)]++;
    }
    expect(sizes).toEqual([100, 900, 4000, 3192]);
  });

  test("call ranks above 1 000 rare", () => {
    expect([isRare(999), isRare(1000)]).toEqual([false, true]);
  });
});
