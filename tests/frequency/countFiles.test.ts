/** Files of every format, compressed or not, by one worker or two, have the counts of their text; wrong ones are refused. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as zlib from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { LossError } from "lossmith";
import { type CorpusCounts, corpusCounts, countDocuments, fromCounts } from "lossmith/frequency";
import {
  type CountFilesOptions,
  type CountProgress,
  countFiles,
  loadCounts,
  loadTokenizer,
  saveCounts,
} from "lossmith/frequency/files";
import { partsOf } from "../../lib/frequency/files/parts.ts";
import { zstdFrames } from "../../lib/frequency/files/zstdFrames.ts";
import { tokenizerOf } from "../../lib/frequency/tokenizer.ts";

const folder = mkdtempSync(join(tmpdir(), "lossmith-files-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function refusal(attempt: Promise<unknown>): Promise<LossError> {
  const error = await attempt.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LossError);
  return error as LossError;
}

const tokenizer = "r50k_base";
const loaded = await loadTokenizer(tokenizer);
const texts = ["Call me Ishmael.\nSome years ago", "漢字 – never mind how long", "precisely, I thought"];
const documents = await countDocuments(texts, loaded);
const ids = texts.flatMap((text) => [...(loaded.tokenizer.encode(text) as number[])]);
const jsonl = texts.map((text) => `${JSON.stringify({ text, id: 7 })}\n`).join("");

/** The counts, without what differs by the input: whether documents are known. */
const numbers = ({ counts, tokens, vocabulary }: CorpusCounts): unknown => ({
  counts: [...counts],
  tokens,
  vocabulary,
});

describe("countFiles", () => {
  test("reads every format, by its name or as it is told", async () => {
    const inputs: readonly (readonly [string[], CountFilesOptions, number | null])[] = [
      [texts.map((text, i) => file(`${i}.txt`, text)), {}, 3],
      [[file("a.jsonl", jsonl)], {}, 3],
      [[file("a.unknown", jsonl)], { format: "jsonl" }, 3],
      [[file("a.uint16", new Uint8Array(Uint16Array.from(ids).buffer))], {}, null],
      [[file("a.u32", new Uint8Array(Uint32Array.from(ids).buffer))], {}, null],
      [[file("a.parquet", new Uint8Array(parquetWriteBuffer({ columnData: [{ name: "text", data: texts }] })))], {}, 3],
      [[file("a.jsonl.gz", zlib.gzipSync(jsonl))], {}, 3],
      [[file("b.jsonl.gz", Buffer.concat([zlib.gzipSync(jsonl.slice(0, 9)), zlib.gzipSync(jsonl.slice(9))]))], {}, 3],
      [[file("a.ndjson.br", zlib.brotliCompressSync(jsonl))], {}, 3],
      [[file("a.packed", zlib.gzipSync(jsonl))], { format: "jsonl", compression: "gzip" }, 3],
    ];
    for (const [paths, options, count] of inputs) {
      const counted = await countFiles(paths, { tokenizer, ...options });
      expect(numbers(counted)).toEqual(numbers(documents));
      expect(counted.documents).toBe(count);
    }
  });

  test("reads zstd where the runtime can, and says where it cannot", async () => {
    const { zstdCompressSync } = zlib as { zstdCompressSync?: (text: string) => Uint8Array };
    // An empty frame, for runtimes that cannot make one either.
    const path = file(
      "a.jsonl.zst",
      zstdCompressSync?.(jsonl) ?? Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x24, 0, 1, 0, 0),
    );
    if (zstdCompressSync === undefined) {
      expect((await refusal(countFiles([path], { tokenizer }))).what).toContain("cannot decompress zstd");
    } else {
      expect(numbers(await countFiles([path], { tokenizer }))).toEqual(numbers(documents));
      // Runtimes take a file that is cut for a whole one.
      const packed = zstdCompressSync(jsonl.repeat(9));
      for (const length of [3, 9, packed.length >> 1, packed.length - 1]) {
        const cut = file("cut.jsonl.zst", packed.subarray(0, length));
        expect((await refusal(countFiles([cut], { tokenizer, skipBad: true }))).what).toContain("unexpected end");
      }
    }
  });

  test("knows where frames of zstd end", () => {
    const areWhole = (bytes: readonly number[], step = bytes.length): boolean => {
      const frames = zstdFrames();
      for (let at = 0; at < bytes.length; at += step) frames.push(Uint8Array.from(bytes.slice(at, at + step)));
      return frames.areWhole;
    };
    // A skippable frame of two bytes; a frame with a window, a run of five bytes and a checksum; an empty frame.
    const skippable = [0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7];
    const run = [0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x00, 0x2b, 0, 0, 65, 1, 2, 3, 4];
    const empty = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0];
    const all = [...skippable, ...run, ...empty];
    const ends = [0, skippable.length, skippable.length + run.length, all.length];
    for (let length = 0; length <= all.length; length++) {
      expect(areWhole(all.slice(0, length))).toBe(ends.includes(length));
      expect(areWhole(all.slice(0, length), 1)).toBe(ends.includes(length));
    }
    expect(areWhole([...all, 1, 2, 3, 4, 5])).toBe(false);
  });

  test("takes ids with the size of their vocabulary alone, and adds the end of text", async () => {
    const path = file("b.uint16", new Uint8Array(Uint16Array.from([1, 2, 2]).buffer));
    const columnData = [{ name: "text", data: Int32Array.of(1, 2, 2) }];
    const parquet = file("b.parquet", new Uint8Array(parquetWriteBuffer({ columnData })));
    for (const paths of [[path], [parquet]]) {
      const { tokens, vocabulary } = await countFiles(paths, { vocabSize: 3, name: "mine" });
      expect([tokens, vocabulary.tokenizer]).toEqual([3, "mine"]);
    }
    const { counts, vocabulary } = await countFiles([path], { vocabSize: 3 });
    expect([[...counts], vocabulary.tokenizer]).toEqual([[0, 1, 2], null]);
    const ended = await countFiles([file("c.jsonl", jsonl)], { tokenizer, endOfText: true });
    expect([ended.counts[50256], ended.tokens]).toEqual([3, documents.tokens + 3]);
  });

  test("tells how far it is, and stops when it is told to", async () => {
    const path = file("d.jsonl", jsonl.repeat(500));
    const seen: CountProgress[] = [];
    const { tokens } = await countFiles([path], { tokenizer, onProgress: (progress) => seen.push(progress) });
    const bytes = new TextEncoder().encode(jsonl).length * 500;
    expect(seen.at(-1)).toEqual({ bytes, totalBytes: bytes, tokens });
    const packed = file("d.uint16", new Uint8Array(1 << 22));
    for (const workers of [1, 2]) {
      const stop = new AbortController();
      const stopped = countFiles([packed, packed], {
        vocabSize: 2,
        workers,
        signal: stop.signal,
        onProgress: () => stop.abort(new Error("enough")),
      });
      await expect(stopped).rejects.toThrow("enough");
    }
    const data = ["first ", "second ", "third "].map((text) => text.repeat(1 << 16));
    const groups = { columnData: [{ name: "text", data }], rowGroupSize: 1, codec: "UNCOMPRESSED" as const };
    const parquet = file("d.parquet", new Uint8Array(parquetWriteBuffer(groups)));
    const stop = new AbortController();
    const read: string[] = [];
    const encode = (text: string): number[] => {
      read.push(text.slice(0, 3));
      return [0];
    };
    const stopped = countFiles([parquet], {
      tokenizer: { encode },
      vocabSize: 1,
      signal: stop.signal,
      onProgress: () => stop.abort(new Error("enough")),
    });
    await expect(stopped).rejects.toThrow("enough");
    expect(read).not.toContain("thi");
  });

  test("refuses wrong files and options, and says which", async () => {
    const good = file("good.jsonl", jsonl);
    const packed = zlib.gzipSync(jsonl);
    const wrong: readonly (readonly [string[], CountFilesOptions, RegExp])[] = [
      [[], {}, /got no files/],
      [["nowhere.txt"], {}, /^nowhere\.txt: there is no such file/],
      [[folder], { format: "text" }, /it is a folder/],
      [[file("e.what", "x")], {}, /its ending \.what does not tell its format\. Say the format: text, jsonl/],
      [["-"], {}, /standard input: nothing tells its format/],
      [["-", "-"], { format: "text" }, /named twice/],
      [[file("e.jsonl.gz", packed.subarray(0, -9))], {}, /e\.jsonl\.gz: it cannot be read: /],
      [[file("f.jsonl.gz", jsonl)], {}, /f\.jsonl\.gz: it cannot be read: /],
      [[good, file("g.jsonl", `${jsonl}oops\n`)], {}, /g\.jsonl: line 4: it is no JSON/],
      [[good], { field: "body" }, /good\.jsonl: line 1: there is no "body"/],
      [[file("h.txt", Uint8Array.of(65, 0xff))], {}, /h\.txt: the text is not UTF-8 at byte 1/],
      [[file("h.uint16", Uint8Array.of(1, 0, 9))], {}, /h\.uint16: the bytes end 1 byte into a uint16/],
      [[file("i.uint32", new Uint8Array(Uint32Array.of(1, 50257).buffer))], {}, /position 1 is 50257/],
      [[file("i.parquet", "PAR1")], {}, /i\.parquet: the Parquet file cannot be read/],
      [[file("empty.jsonl", "\n")], {}, /there is no token in .*empty\.jsonl/],
      [[file("empty.uint16", "")], {}, /there is no token/],
      [[good], { tokenizer: "r50k" }, /"r50k" is not known\. Give one of r50k_base/],
      [[good], { tokenizer: "nowhere/tokenizer.json" }, /nowhere\/tokenizer\.json: there is no such file/],
      [[good], { tokenizer: good.replace("good.jsonl", "0.txt.json") }, /there is no such file/],
      [[good], { workers: 0 }, /Give a whole number from 1 to 256/],
      [[good, good], { tokenizer: loaded.tokenizer, workers: 2 }, /cannot be sent to a worker/],
    ];
    for (const [paths, options, message] of wrong) {
      expect((await refusal(countFiles(paths, { tokenizer, ...options }))).message).toMatch(message);
    }
    const empty = countFiles([file("empty.txt", "")], { tokenizer, endOfText: true });
    expect((await refusal(empty)).message).toContain("there is no token in");
    expect((await refusal(countFiles([good], {}))).message).toContain("text needs a tokenizer, and none is named");
    expect((await refusal(countFiles([join(folder, "b.uint16")], {}))).message).toContain("how many entries");
    const { skipped, tokens } = await countFiles([join(folder, "g.jsonl")], { tokenizer, skipBad: true });
    expect([skipped, tokens]).toEqual([1, documents.tokens]);
  });

  test("counts in parts what it counts as a whole, and knows the line of an error in a part", async () => {
    const reader = await tokenizerOf(loaded, "test");
    const lines = file("parts.jsonl", jsonl.repeat(40));
    const text = file("parts.txt", `${texts.join(" ")} `.repeat(60));
    const packed = file("parts.uint32", new Uint8Array(Uint32Array.from(ids).buffer));
    const { countPart } = await import("../../lib/frequency/files/countPart.ts");
    for (const [path, format] of [
      [lines, "jsonl"],
      [text, "text"],
      [packed, "uint32"],
    ] as const) {
      const start = { path, format, compression: "none", start: 0, end: null, continues: false } as const;
      const parts = await partsOf(start, 61, reader);
      expect(parts.length).toBeGreaterThan(1);
      let sum = new Float64Array(50257);
      let count = 0;
      for (const part of parts) {
        const counted = await countPart(part, loaded, {}, () => {});
        sum = sum.map((x, id) => x + counted.counts[id]);
        count += counted.documents ?? 0;
      }
      const whole = await countFiles([path], { tokenizer });
      expect([...sum]).toEqual([...whole.counts]);
      expect(count).toBe(whole.documents ?? 0);
    }
    const bad = file("bad.jsonl", `${jsonl.repeat(40)}oops\n${jsonl}`);
    const parts = await partsOf(
      { path: bad, format: "jsonl", compression: "none", start: 0, end: null, continues: false },
      500,
      null,
    );
    const outcomes = await Promise.allSettled(parts.map((part) => countPart(part, loaded, {}, () => {})));
    const reasons = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [String(outcome.reason)] : []));
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toContain("line 121: it is no JSON");
  });

  test("has workers do it with the same result", async () => {
    const paths = [...texts.map((text, i) => file(`w${i}.txt`, text)), file("w.jsonl", jsonl)];
    const one = await countFiles(paths, { tokenizer });
    expect(await countFiles(paths, { tokenizer, workers: 2 })).toEqual(one);
    const wrong = countFiles([file("v.uint16", "ab"), file("w.uint16", "abc")], { vocabSize: 2 ** 16, workers: 2 });
    expect((await refusal(wrong)).message).toContain("w.uint16: the bytes end 1 byte into a uint16");
  });
});

describe("saved counts", () => {
  const counts = corpusCounts(fromCounts([0, 3, 0, 2 ** 40, 5]), {
    tokenizer: "mine",
    checksum: "ab",
    special: { "<end>": 4 },
    documents: 2,
    ignored: 3,
    skipped: 1,
    forcedCuts: 4,
  });

  test("are read back bit-equal, whole or not, and merge as before", async () => {
    const smoothed = corpusCounts(fromCounts([0.1, 1 / 3, 5e-324, 1.7976931348623157e308, 0]));
    for (const ending of ["json", "parquet"]) {
      for (const saved of [counts, smoothed]) {
        const path = join(folder, `saved.${ending}`);
        await saveCounts(path, saved);
        expect(await loadCounts(path)).toEqual(saved);
        expect(Object.is((await loadCounts(path)).counts[2], saved.counts[2])).toBe(true);
      }
    }
    expect(readdirSync(folder).filter((name) => name.includes(".part"))).toEqual([]);
  });

  test("that are cut, foreign, damaged or of a later version are refused", async () => {
    const json = join(folder, "x.json");
    await saveCounts(json, counts);
    const text = readFileSync(json, "utf8");
    const parquet = join(folder, "x.parquet");
    await saveCounts(parquet, counts);
    const bytes = readFileSync(parquet);
    const wrong: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
      ["json", text.slice(0, -9), /cannot be read/],
      ["json", '{"a": 1}', /not a file of counts/],
      ["json", "null", /not a file of counts/],
      ["json", text.replace('"version":1', '"version":2'), /of version 2/],
      ["json", text.replace('"counts":[3', '"counts":[4'), /add up to/],
      ["json", text.replace('"counts":[3', '"counts":[-3'), /count of id 1 is -3/],
      ["json", text.replace('"steps":[2', '"steps":[0'), /do not fit together/],
      ["json", text.replace('"tokenizer":"mine"', '"tokenizer":7'), /head is missing/],
      ["json", text.replace('"size":5', '"size":-5'), /got -5/],
      ["json", text.replace('"size":5', '"size":5e12'), /got 5000000000000/],
      ["parquet", bytes.subarray(0, -20), /cannot be read/],
      ["parquet", bytes.subarray(0, 40), /cannot be read/],
      ["parquet", new Uint8Array(parquetWriteBuffer({ columnData: [{ name: "x", data: [1] }] })), /no column "token"/],
      ["csv", "token,count\n", /Name it \.parquet or \.json/],
    ];
    for (const [ending, content, message] of wrong) {
      const error = await refusal(loadCounts(file(`wrong.${ending}`, content)));
      expect(error.message).toMatch(message);
      expect(error.where).toContain(`wrong.${ending}`);
    }
    for (const path of [json, parquet]) {
      expect(await loadCounts(path, { vocabSize: 5, tokenizer: "mine" })).toEqual(counts);
      expect((await refusal(loadCounts(path, { vocabSize: 6 }))).what).toBe("got 6, and the file says 5");
      expect((await refusal(loadCounts(path, { tokenizer: "other" }))).what).toBe("got other, and the file says mine");
      const { vocabulary, ...unnamed } = counts;
      await saveCounts(path, { ...unnamed, vocabulary: { ...vocabulary, tokenizer: null } });
      expect(await loadCounts(path, { tokenizer: "mine" })).toEqual(counts);
    }
    await saveCounts(json, counts);
    expect((await refusal(saveCounts(join(folder, "no/where.json"), counts))).message).toContain(
      "Make the folder first",
    );
    expect((await refusal(saveCounts(join(folder, "x.txt"), counts))).message).toContain("Name it .parquet or .json");
    expect((await refusal(saveCounts(json, fromCounts([1]) as CorpusCounts))).message).toContain("Use corpusCounts");
    expect(await loadCounts(json)).toEqual(counts);
  });

  test("of another engine are read from its table, and added up", async () => {
    const table = (columnData: { name: string; data: unknown[] | BigInt64Array }[]): string =>
      file("table.parquet", new Uint8Array(parquetWriteBuffer({ columnData: columnData as never })));
    const path = table([
      { name: "token", data: [2, 0, 2] },
      { name: "count", data: [3n, 1n, 4n] },
    ]);
    const { counts: read, vocabulary } = await loadCounts(path, { vocabSize: 3, tokenizer: "mine" });
    expect([[...read], vocabulary.tokenizer]).toEqual([[1, 0, 7], "mine"]);
    expect((await refusal(loadCounts(path))).message).toContain("does not say how many entries");
    expect((await refusal(loadCounts(path, { vocabSize: 2 }))).message).toContain("position 0 is 2");
    const nulls = table([
      { name: "token", data: [1, null] },
      { name: "count", data: [3, 1] },
    ]);
    expect((await refusal(loadCounts(nulls, { vocabSize: 2 }))).message).toContain("position 1 is null");
    const huge = table([
      { name: "token", data: [1] },
      { name: "count", data: [2n ** 60n] },
    ]);
    expect((await refusal(loadCounts(huge, { vocabSize: 2 }))).message).toContain("the count in row 0 is");
  });
});
