/** Text that arrives in pieces has the tokens of the whole; records of JSON and columns of Parquet have those of their text. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parquetWriteBuffer } from "hyparquet-writer";
import { LossError } from "lossmith";
import {
  type AnyTokenizer,
  type CorpusCounts,
  countDocuments,
  countIds,
  countJsonLines,
  countParquet,
  countText,
  vocabularyChecksum,
} from "lossmith/frequency";
import { endOfText, huggingFace, r50k, tiktoken, vocabSize } from "./tokenizers.ts";

const options = { tokenizer: r50k, name: "r50k_base" };

async function whole(texts: readonly string[]): Promise<readonly number[]> {
  const { counts } = await countIds(
    texts.map((text) => r50k.encode(text)),
    { vocabSize },
  );
  return [...counts];
}

async function* later<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item);
}

function streamOf<T>(items: readonly T[]): ReadableStream<T> {
  return new ReadableStream<T>({
    start(controller) {
      for (const item of items) controller.enqueue(item);
      controller.close();
    },
  });
}

/** `text` or bytes in pieces of these lengths, over and over. */
function pieces<T extends { slice(from: number, to: number): T; readonly length: number }>(
  all: T,
  lengths: readonly number[],
): readonly T[] {
  const result: T[] = [];
  for (let start = 0; start < all.length; start += lengths[(result.length - 1) % lengths.length]) {
    result.push(all.slice(start, start + lengths[result.length % lengths.length]));
  }
  return result;
}

async function refusal(counting: Promise<unknown>): Promise<LossError> {
  const error = await counting.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LossError);
  return error as LossError;
}

const words = fc.array(
  fc.constantFrom(
    "the",
    "Whale",
    "sea-",
    "\n",
    "\n\n",
    "  ",
    "42",
    "don't",
    "漢字、",
    "👩‍👧",
    "é.",
    "(a)",
    "http://x.y/z",
  ),
  { minLength: 1, maxLength: 80 },
);
const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 });

describe("countText", () => {
  test("counts the tokens of the whole, whatever the pieces, for each package", async () => {
    await fc.assert(
      fc.asyncProperty(words, lengths, fc.integer({ min: 16, max: 200 }), async (parts, cuts, longestHoldBack) => {
        const text = parts.join(" ");
        const expected = await whole([text]);
        const bytes = new TextEncoder().encode(text);
        const given = { ...options, longestHoldBack };
        const counted: CorpusCounts[] = [
          await countText(text, given),
          await countText(pieces(text, cuts), given),
          await countText(later(pieces(bytes, cuts)), given),
          await countText(new Blob([bytes]), given),
          await countText(pieces(text, cuts), { ...given, tokenizer: tiktoken, vocabSize }),
          await countText(pieces(text, cuts), { ...given, tokenizer: huggingFace }),
        ];
        for (const { counts, forcedCuts, documents } of counted) {
          expect([documents, forcedCuts]).toEqual([1, 0]);
          expect([...counts]).toEqual([...expected]);
        }
      }),
      { numRuns: 8 },
    );
  });

  test("cuts text without a place to cut at the largest hold-back, says so, and cuts no character", async () => {
    const text = "𠀀漢".repeat(100);
    const { forcedCuts, tokens } = await countText(text, { ...options, longestHoldBack: 50 });
    expect(forcedCuts).toBeGreaterThan(4);
    const decoded = new Set<string>();
    const watching: AnyTokenizer = {
      encode: (part) => {
        decoded.add(part);
        return r50k.encode(part);
      },
    };
    await countText(text, { tokenizer: watching, vocabSize, longestHoldBack: 50 });
    for (const part of decoded) expect(part).toMatch(/^(𠀀|漢)+$/u);
    expect((await countText(text, options)).tokens).toBeLessThanOrEqual(tokens);
    expect((await countText(text, options)).forcedCuts).toBe(0);
  });

  test("gives documents whole to a tokenizer whose tokens reach over spaces", async () => {
    const given: number[] = [];
    // Each text begins with an id of its own, and pairs of words are one token.
    const pairs: AnyTokenizer = {
      encode: (text) => {
        given.push(text.length);
        return [0, ...(text.match(/\S+(\s+\S+)?/g) ?? []).map((pair) => (pair.length % 9) + 1)];
      },
    };
    const text = "a word and ".repeat(200);
    const { counts } = await countText(pieces(text, [37]), { tokenizer: pairs, vocabSize: 10, longestHoldBack: 64 });
    expect([...counts]).toEqual([...(await countIds(pairs.encode(text) as number[], { vocabSize: 10 })).counts]);
    expect(given.at(-2)).toBe(text.length);
  });

  test("leaves out a byte order mark, and names the byte that is not UTF-8", async () => {
    const marked = new TextEncoder().encode("\ufeffOne \ufeff two");
    expect([...(await countText(pieces(marked, [1, 2]), options)).counts]).toEqual([
      ...(await whole(["One \ufeff two"])),
    ]);
    for (const [bytes, at] of [
      [[...marked, 0xff, 65], marked.length],
      [[65, 0xe6, 0xbc], 1],
      [[65, 0xc3, 65], 1],
      [[0xed, 0xa0, 0x80], 0],
      [[65, 66, 0x80], 2],
    ] as const) {
      for (const cut of [1, 2, 3, 100]) {
        const { what } = await refusal(countText(pieces(Uint8Array.from(bytes), [cut]), options));
        expect(what).toMatch(new RegExp(`not UTF-8 at byte ${at}$`));
      }
    }
  });

  test("asks what a special token in text is", async () => {
    const text = "One.<|endoftext|>Two.";
    for (const [tokenizer, tokenCount] of [
      [r50k, 5],
      [tiktoken, 5],
      [huggingFace, 5],
    ] as const) {
      const given = { tokenizer, vocabSize };
      const { what, remedy } = await refusal(countText(text, given));
      expect([what, remedy].join()).toMatch(/endoftext.*specialText: "text"/);
      const asToken = await countText(text, { ...given, specialText: "token" });
      expect([asToken.tokens, asToken.counts[endOfText]]).toEqual([tokenCount, 1]);
      if (tokenizer === huggingFace) {
        expect((await refusal(countText(text, { ...given, specialText: "text" }))).what).toContain("not possible");
      } else {
        expect((await countText(text, { ...given, specialText: "text" })).counts[endOfText]).toBe(0);
      }
    }
  });

  test("finds a special token wherever text without spaces is cut", async () => {
    const text = `${"<|endoftext|>.".repeat(40)}${"ab".repeat(30)}${"<|endoftext|>".repeat(9)}`;
    for (let longestHoldBack = 20; longestHoldBack < 40; longestHoldBack++) {
      const { counts } = await countText(pieces(text, [7, 1]), { ...options, specialText: "token", longestHoldBack });
      expect([counts[endOfText], counts[r50k.encode(".")[0]]]).toEqual([49, 40]);
    }
  });

  test("knows the vocabulary, the same for each package", async () => {
    const checksums = await Promise.all(
      [r50k, tiktoken, huggingFace].map((tokenizer) => vocabularyChecksum({ tokenizer, vocabSize })),
    );
    expect(new Set(checksums).size).toBe(1);
    const { vocabulary } = await countText("", { tokenizer: huggingFace, name: "gpt2" });
    expect(vocabulary).toEqual({
      size: vocabSize,
      tokenizer: "gpt2",
      checksum: checksums[0],
      special: { "<|endoftext|>": endOfText },
    });
  });

  test("refuses what is no text, no tokenizer, or no place", async () => {
    const wrong = async (source: unknown, given: object): Promise<string> =>
      (await refusal(countText(source as string, { ...options, ...given }))).message;
    expect(await wrong(3, {})).toContain("Give text, bytes, or an iterable");
    expect(await wrong([3], {})).toContain("got 3 among the text");
    expect(await wrong("a", { tokenizer: {} })).toContain("Give a tokenizer with an encode");
    expect(await wrong("a", { tokenizer: tiktoken })).toContain("does not tell how many entries");
    expect(await wrong("a", { specialText: "x" })).toContain('Give "refuse", "text" or "token"');
    expect(await wrong("a", { longestHoldBack: 0 })).toContain("at least 1");
    expect(await wrong("a", { endOfText: 50257 })).toContain("50257");
    expect(await wrong("a", { vocabSize: 10, tokenizer: { encode: () => [11] } })).toContain("position 0 is 11");
    expect(await wrong("a", { special: { x: 60000 } })).toContain('"x" has the id 60000');
  });
});

test("countDocuments counts each document alone, an end of text after each", async () => {
  const texts = ["It was", " the best", "", "of times"];
  const expected = [...(await whole(texts))];
  expected[endOfText] = 4;
  for (const source of [texts, later(texts), streamOf(texts)]) {
    const { counts, documents } = await countDocuments(source, { ...options, endOfText });
    expect([...counts]).toEqual(expected);
    expect(documents).toBe(4);
  }
  expect((await refusal(countDocuments("text" as never, options))).what).toContain("got null");
});

describe("countJsonLines", () => {
  const records = [
    { text: "First line\nwith a break", meta: { title: "One" }, messages: [{ role: "user", content: "Hi" }] },
    {
      text: "漢字",
      meta: { title: "Two" },
      messages: [
        { role: "user", content: "2 + 2?" },
        { role: "assistant", content: "4" },
        { role: "assistant", content: " or so" },
      ],
    },
  ];
  const lines = records.map((record) => JSON.stringify(record)).join("\r\n");

  test("finds the text of a path, however the bytes are cut", async () => {
    const bytes = new TextEncoder().encode(`\n${lines}\n\n`);
    for (const [field, texts] of [
      ["text", records.map(({ text }) => text)],
      ["meta.title", ["One", "Two"]],
      ["messages[role=assistant].content", ["4", " or so"]],
      ["messages[].content", ["Hi", "2 + 2?", "4", " or so"]],
      ["messages[0].content", ["Hi", "2 + 2?"]],
    ] as const) {
      const expected = [...(await whole(texts))];
      for (const source of [bytes, later(pieces(bytes, [7, 1]))]) {
        const { counts, documents } = await countJsonLines(source, { ...options, field });
        expect([...counts]).toEqual(expected);
        expect(documents).toBe(2);
      }
    }
  });

  test("counts the response alone, as it is encoded after its prompt", async () => {
    const line = JSON.stringify({ prompt: "An un", response: "believable story" });
    const { counts } = await countJsonLines(line, { ...options, field: "response", prompt: "prompt", endOfText });
    const ids = r50k.encode("An unbelievable story").slice(r50k.encode("An un").length);
    expect([...counts]).toEqual([...(await countIds([...ids, endOfText], { vocabSize })).counts]);
  });

  test("names the line of a bad record, or leaves it out", async () => {
    const bad: readonly (readonly [string | Uint8Array, RegExp])[] = [
      ["{", /line 2: it is no JSON/],
      ['{"other": 1}', /line 2: there is no "text"/],
      ['{"text": 5}', /line 2: "text" is the number 5 in place of a text/],
      ['{"text": null}', /line 2: "text" is null/],
      ["[1]", /line 2: the line is a list, without "text"/],
      [Uint8Array.from([0x22, 0xff, 0x22]), /line 2: it is not UTF-8/],
    ];
    const good = new TextEncoder().encode('{"text": "good"}\n');
    for (const [line, message] of bad) {
      const bytes = typeof line === "string" ? new TextEncoder().encode(line) : line;
      const source = (): readonly Uint8Array[] => [good, bytes, Uint8Array.from([10]), good];
      expect((await refusal(countJsonLines(source(), options))).message).toMatch(message);
      const { tokens, documents, skipped } = await countJsonLines(source(), { ...options, skipBad: true });
      expect([tokens, documents, skipped]).toEqual([2, 2, 1]);
    }
    const nested = countJsonLines(lines, { ...options, field: "messages[1].content" });
    expect((await refusal(nested)).message).toContain('line 1: "messages" has 1 items, and none at 1');
    const special = countJsonLines('{"text": "<|endoftext|>"}', options);
    expect((await refusal(special)).message).toContain("line 1: the tokenizer refuses the text");
    for (const field of ["", ".a", "a..b", "a[", "a]b", "[0]b"]) {
      expect((await refusal(countJsonLines(lines, { ...options, field }))).where).toBe("countJsonLines({ field })");
    }
  });
});

describe("countParquet", () => {
  const texts = ["One.", "Two and three.", "", "漢字"];
  const file = parquetWriteBuffer({
    columnData: [
      { name: "text", data: texts },
      { name: "prompt", data: ["", "a", "b", "c"] },
      { name: "id", data: Int32Array.from([1, -100, 3, 3]) },
      { name: "long", data: BigInt64Array.from([1n, 2n, 3n, 3n]) as never },
      { name: "some", data: [1, null, 3, 3] },
      { name: "maybe", data: ["One.", null, "", "漢字"] },
      { name: "score", data: Float64Array.from([0.5, 1, 2, 3]) },
      { name: "ids", data: [[1, 2], [], [3, -100], [3]] },
    ],
    schema: [
      { name: "root", num_children: 8 },
      { name: "text", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "REQUIRED" },
      { name: "prompt", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "REQUIRED" },
      { name: "id", type: "INT32", repetition_type: "REQUIRED" },
      { name: "long", type: "INT64", repetition_type: "REQUIRED" },
      { name: "some", type: "INT32", repetition_type: "OPTIONAL" },
      { name: "maybe", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
      { name: "score", type: "DOUBLE", repetition_type: "REQUIRED" },
      { name: "ids", repetition_type: "OPTIONAL", num_children: 1, converted_type: "LIST" },
      { name: "list", repetition_type: "REPEATED", num_children: 1 },
      { name: "element", type: "INT32", repetition_type: "OPTIONAL" },
    ],
    rowGroupSize: 3,
  });

  test("counts a column of text, each row a document", async () => {
    const { counts, documents } = await countParquet(file, options);
    expect([...counts]).toEqual([...(await whole(texts))]);
    expect(documents).toBe(4);
    const first = await countParquet(new Uint8Array(file), { ...options, rowGroups: [0, 1] });
    expect(first.documents).toBe(3);
    const after = await countParquet(file, { ...options, prompt: "prompt" });
    expect(after.tokens).toBeLessThanOrEqual((await countParquet(file, options)).tokens);
  });

  test("counts a column of ids, of 64-bit ids, and of lists", async () => {
    const count = (column: string): Promise<CorpusCounts> => countParquet(file, { column, vocabSize: 4 });
    for (const [column, expected, documents, ignored] of [
      ["id", [0, 1, 0, 2], null, 1],
      ["long", [0, 1, 1, 2], null, 0],
      ["ids", [0, 1, 1, 2], 4, 1],
    ] as const) {
      const counted = await count(column);
      expect([...counted.counts]).toEqual([...expected]);
      expect([counted.documents, counted.ignored]).toEqual([documents, ignored]);
    }
    const { vocabulary } = await countParquet(file, { ...options, column: "long" });
    expect([vocabulary.size, vocabulary.tokenizer]).toEqual([vocabSize, "r50k_base"]);
  });

  test("names a row without a value, or leaves it out", async () => {
    for (const [column, given, tokens] of [
      ["some", { vocabSize: 4 }, 3],
      ["maybe", options, r50k.encode("One.").length + r50k.encode("漢字").length],
    ] as const) {
      expect((await refusal(countParquet(file, { ...given, column }))).message).toContain("row 1: ");
      const { tokens: counted, skipped } = await countParquet(file, { ...given, column, skipBad: true });
      expect([counted, skipped]).toEqual([tokens, 1]);
    }
  });

  test("names the row of an id outside the vocabulary, in any row group", async () => {
    const outside = async (column: string, rowGroups: readonly [number, number]): Promise<string> =>
      (await refusal(countParquet(file, { column, vocabSize: 3, rowGroups }))).what;
    expect(await outside("id", [0, 2])).toContain("position 2 is 3");
    expect(await outside("id", [1, 2])).toContain("position 3 is 3");
    expect(await outside("ids", [0, 1])).toContain("row 2: the id at position 2 is 3");
    expect(await outside("ids", [1, 2])).toContain("row 3: ");
  });

  test("refuses text that is not UTF-8, or leaves it out", async () => {
    const data = [Uint8Array.of(65), Uint8Array.of(65, 0xff)];
    const bytes = parquetWriteBuffer({ columnData: [{ name: "text", data, type: "BYTE_ARRAY" }] });
    expect((await refusal(countParquet(bytes, options))).what).toBe("row 1: it is not UTF-8");
    const { tokens, skipped } = await countParquet(bytes, { ...options, skipBad: true });
    expect([tokens, skipped]).toEqual([1, 1]);
  });

  test("refuses other columns, other files, and options that do not fit", async () => {
    const wrong = async (source: unknown, given: object): Promise<string> =>
      (await refusal(countParquet(source as ArrayBuffer, { ...options, ...given }))).message;
    expect(await wrong(file, { column: "body" })).toMatch(
      /no column "body"\. Name one of its columns: text, prompt, id/,
    );
    expect(await wrong(file, { column: "score" })).toContain("neither text nor token ids");
    expect(await wrong(file, { tokenizer: undefined })).toContain("there is no tokenizer for it");
    expect(await wrong(file, { column: "id", tokenizer: undefined })).toContain("nothing tells the size");
    expect(await wrong(file.slice(0, -20), {})).toContain("cannot be read");
    expect(await wrong(new Uint8Array(200), {})).toContain("cannot be read");
    expect(await wrong("x.parquet", {})).toContain("Give the bytes of a Parquet file");
  });
});
