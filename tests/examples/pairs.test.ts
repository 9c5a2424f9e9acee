import { describe, expect, test } from "bun:test";
import {
  type Form,
  type Pair,
  pairBatch,
  promptOf,
  randomPairs,
  responseLabels,
  sequenceOf,
} from "../../examples/finetuning/pairs.ts";
import { splitPairs } from "../../examples/finetuning/split.ts";
import { randomStream } from "../../examples/model/random.ts";
import { endOfText, textOf, tokensOf } from "../../examples/model/tokenizer.ts";
import { buildVocabulary, ignoredLabel } from "../../examples/model/vocabulary.ts";

const pair: Pair = { key: "cat", document: "cat (noun)", response: " a small animal" };

const form: Form = { cue: ":", keeps: "beginning" };

describe("a pair in a window", () => {
  const sequence = sequenceOf(pair, form, 12);
  const document = tokensOf("cat (noun)");
  const response = tokensOf(" a small animal");
  const vocabulary = buildVocabulary([sequence.tokens], 100);
  const classes = (tokens: Int32Array): number[] => [...tokens].map((id) => vocabulary.classOf[id]);

  test("is prompt, response and end of text", () => {
    expect([...sequence.tokens]).toEqual([...document, ...tokensOf(":"), ...response, endOfText]);
    expect(sequence.promptTokens).toBe(document.length + 1);
    expect([sequence.isDocumentCut, sequence.isResponseCut]).toEqual([false, false]);
  });

  test("has the prompt and the padding ignored, the response and the end of text learnt", () => {
    const { inputs, labels } = pairBatch(vocabulary, [sequence, sequence], 12);
    const prompt = Array.from({ length: document.length }, () => ignoredLabel);
    const learnt = [...classes(response), vocabulary.endOfText];
    const row = [...prompt, ...learnt];
    const padded = [...row, ...Array.from({ length: 12 - row.length }, () => ignoredLabel)];
    expect([...labels]).toEqual([...padded, ...padded]);
    // What follows each input is its label.
    expect([...inputs.subarray(0, row.length)]).toEqual(classes(sequence.tokens).slice(0, -1));
    expect(inputs.length).toBe(24);
    expect([...responseLabels(vocabulary, [sequence, sequence])]).toEqual([...learnt, ...learnt]);
  });

  test("has tokens outside the vocabulary ignored as labels", () => {
    const small = buildVocabulary([tokensOf("cat (noun): a a a animal animal")], 100);
    const { labels } = pairBatch(small, [sequence], 12);
    const middle = sequence.promptTokens - 1;
    expect([...labels.subarray(middle, middle + 4)]).toEqual([
      small.classOf[tokensOf(" a")[0]],
      ignoredLabel,
      small.classOf[tokensOf(" animal")[0]],
      small.endOfText,
    ]);
  });

  test("that just fits is whole, and is cut by one token in the next smaller window", () => {
    const fitting = sequence.tokens.length - 1;
    expect(sequenceOf(pair, form, fitting)).toEqual(sequence);
    const cut = sequenceOf(pair, form, fitting - 1);
    expect(cut.tokens.length).toBe(fitting);
    expect(cut).toMatchObject({ isDocumentCut: true, isResponseCut: false, promptTokens: sequence.promptTokens - 1 });
  });

  test("loses the end of a long document, never the cue, and keeps the response", () => {
    const long = sequenceOf({ ...pair, document: "one two three four five six seven eight nine ten" }, form, 10);
    expect(long.tokens.length).toBe(11);
    expect(textOf(long.tokens.subarray(0, long.promptTokens))).toBe("one two three four five six:");
    expect([...long.tokens.subarray(long.promptTokens)]).toEqual([...response, endOfText]);
    expect([long.isDocumentCut, long.isResponseCut]).toEqual([true, false]);
  });

  test("loses the beginning of a long document where the response goes on from its end", () => {
    const end: Form = { cue: ":", keeps: "end" };
    const document = "one two three four five six seven eight nine ten";
    const long = sequenceOf({ ...pair, document }, end, 10);
    expect(textOf(long.tokens.subarray(0, long.promptTokens))).toBe("five six seven eight nine ten:");
    expect(textOf(promptOf({ ...pair, document }, end, 10, 6))).toBe("eight nine ten:");
    expect(textOf(promptOf(pair, end, 12, 6))).toBe("cat (noun):");
  });

  test("loses the end of a response only to leave the document a quarter, and then has no end of text to learn", () => {
    const response = " one two three four five six seven eight nine ten eleven twelve";
    const long = sequenceOf({ ...pair, document: "a b c d e f g h", response }, form, 8);
    expect(textOf(long.tokens.subarray(0, long.promptTokens))).toBe("a b:");
    expect(textOf(long.tokens.subarray(long.promptTokens))).toBe("one two three four five six");
    expect([long.isDocumentCut, long.isResponseCut]).toEqual([true, true]);
    expect([...long.tokens]).not.toContain(endOfText);
  });

  test("as a prompt leaves room for the answer", () => {
    const long = { ...pair, document: "one two three four five six seven eight nine ten" };
    expect(textOf(promptOf(long, form, 12, 6))).toBe("one two three four five:");
    expect(textOf(promptOf(pair, form, 12, 6))).toBe("cat (noun):");
  });

  test("is drawn at random, the same for equal streams", () => {
    const sequences = Array.from({ length: 30 }, (_, i) => sequenceOf({ ...pair, document: `cat ${i}` }, form, 12));
    const draw = (seed: number): number[] =>
      randomPairs(sequences, 20, randomStream(seed, "x")).map((one) => sequences.indexOf(one));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(2)).not.toEqual(draw(1));
    expect(new Set(draw(1)).size).toBeGreaterThan(8);
  });
});

describe("the split", () => {
  const pairs: Pair[] = Array.from({ length: 3000 }, (_, i) => ({
    key: `key ${i % 1200}`,
    document: `document ${i % 2500}`,
    response: `response ${i % 2900}`,
  }));

  test("has no key, document or response in both parts, and loses no pair", () => {
    const { training, heldOut } = splitPairs(pairs, 1);
    expect([...training, ...heldOut].length).toBe(pairs.length);
    expect(new Set([...training, ...heldOut]).size).toBe(pairs.length);
    for (const part of ["key", "document", "response"] as const) {
      const trained = new Set(training.map((one) => one[part]));
      expect(heldOut.filter((one) => trained.has(one[part]))).toEqual([]);
    }
    expect(heldOut.length / pairs.length).toBeGreaterThan(0.05);
    expect(heldOut.length / pairs.length).toBeLessThan(0.15);
  });

  test("joins what shares something by way of others", () => {
    const chain: Pair[] = Array.from({ length: 40 }, (_, i) => ({
      key: `k${Math.floor(i / 2)}`,
      document: `d${Math.floor((i + 1) / 2)}`,
      response: `r${i}`,
    }));
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) {
      const { training, heldOut } = splitPairs(chain, seed);
      expect([training.length, heldOut.length].sort((a, b) => a - b)).toEqual([0, 40]);
    }
  });

  test("is the same for a seed, and another for another", () => {
    expect(splitPairs(pairs, 7)).toEqual(splitPairs(pairs, 7));
    expect(splitPairs(pairs, 8)).not.toEqual(splitPairs(pairs, 7));
  });

  test("leaves pairs where they are when unrelated ones come in", () => {
    const others = Array.from({ length: 500 }, (_, i) => ({ key: `o${i}`, document: `p${i}`, response: `q${i}` }));
    const before = new Set(splitPairs(pairs, 1).heldOut);
    const after = splitPairs([...others, ...pairs], 1).heldOut.filter(({ key }) => key.startsWith("key"));
    expect(new Set(after)).toEqual(before);
  });
});
