/** Counting token ids, in every form that they come in, against a plain loop. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LossError } from "lossmith";
import { type CountIdsOptions, countIds, countTokenised, type IdSource } from "lossmith/frequency";

const vocabSize = 300;
const labels = fc.array(fc.oneof({ weight: 6, arbitrary: fc.nat({ max: vocabSize - 1 }) }, fc.constant(-100)), {
  maxLength: 60,
});

function plainCounts(ids: readonly number[], ignored = -100): number[] {
  const counts = new Array<number>(vocabSize).fill(0);
  for (const id of ids) if (id !== ignored) counts[id]++;
  return counts;
}

/** The ids in pieces of these lengths, over and over. */
function pieces<T extends { slice(from: number, to: number): T; length: number }>(
  ids: T,
  lengths: readonly number[],
): T[] {
  const result: T[] = [];
  for (let start = 0, i = 0; start < ids.length; i++) {
    const length = lengths[i % lengths.length];
    result.push(ids.slice(start, start + length));
    start += length;
  }
  return result;
}

async function* later<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item);
}

/** A stream that is read, not iterated, as in a browser whose streams are not iterable. */
function streamOf<T>(items: readonly T[]): ReadableStream<T> {
  const stream = new ReadableStream<T>({
    start(controller) {
      for (const item of items) controller.enqueue(item);
      controller.close();
    },
  });
  Object.defineProperty(stream, Symbol.asyncIterator, { value: undefined });
  return stream;
}

const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });

async function refusal(source: IdSource, options: Partial<CountIdsOptions> = {}): Promise<LossError> {
  const error = await countIds(source, { vocabSize, ...options }).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LossError);
  return error as LossError;
}

describe("countIds", () => {
  test("counts every form alike, ignored labels left out", async () => {
    await fc.assert(
      fc.asyncProperty(labels, cuts, async (ids, lengths) => {
        const expected = plainCounts(ids);
        const parts = pieces(ids, lengths);
        const forms: IdSource[] = [
          ids,
          Int16Array.from(ids),
          Int32Array.from(ids),
          Float32Array.from(ids),
          Float64Array.from(ids),
          BigInt64Array.from(ids.map(BigInt)),
          ids.values(),
          later(ids),
          parts,
          parts.map((part) => Int32Array.from(part)),
          later(parts),
          streamOf(parts),
          [Int16Array.from(ids), ...ids, [...ids]],
        ];
        for (const form of forms.slice(0, -1)) {
          const { counts, tokens, ignored, documents } = await countIds(form, { vocabSize });
          expect([...counts]).toEqual(expected);
          expect([tokens + ignored, documents]).toEqual([ids.length, null]);
        }
        expect((await countIds(forms.at(-1) as IdSource, { vocabSize })).tokens).toBe(
          3 * expected.reduce((a, b) => a + b, 0),
        );
      }),
      { numRuns: 40 },
    );
  });

  test("counts unsigned arrays, and more of them than are copied at once", async () => {
    const ids = Array.from({ length: 40_000 }, (_, i) => (i * 7919) % 256);
    for (const form of [Uint8Array.from(ids), Uint16Array.from(ids), Uint32Array.from(ids), ids, ids.values()]) {
      expect([...(await countIds(form, { vocabSize })).counts]).toEqual(plainCounts(ids));
    }
    const offset = Uint32Array.from([999, ...ids]).subarray(1);
    expect([...(await countIds(offset, { vocabSize })).counts]).toEqual(plainCounts(ids));
  });

  test("leaves out an ignored id of the vocabulary, and counts documents by their end", async () => {
    const { counts, ignored, documents, vocabulary } = await countIds([5, 0, 0, 7, 5, 7], {
      vocabSize,
      ignoreIndex: 0,
      endOfText: 7,
    });
    expect([counts[0], counts[5], ignored, documents]).toEqual([0, 2, 2, 2]);
    expect(vocabulary.special).toEqual({ "end of text": 7 });
  });

  test("leaves out an ignored id of more than 32 bits, and no other one", async () => {
    const ignored = 2 ** 32 - 1;
    const forms: readonly IdSource[] = [
      [1, ignored],
      [1n, BigInt(ignored)],
      Uint32Array.of(1, ignored),
      BigInt64Array.of(1n, BigInt(ignored)),
    ];
    for (const form of forms) {
      expect(await countIds(form, { vocabSize, ignoreIndex: ignored })).toMatchObject({ tokens: 1, ignored: 1 });
    }
    expect((await refusal([1, -1], { ignoreIndex: ignored })).what).toContain("position 1 is -1");
  });

  test("names the position of an id outside the vocabulary, over all pieces", async () => {
    const long = new Int32Array(20_000);
    const wrong: readonly (readonly [IdSource, string])[] = [
      [[1, 300], "the id at position 1 is 300, outside a vocabulary of 300 entries"],
      [[1, -1], "position 1 is -1"],
      [Uint32Array.from([2 ** 32 - 100]), "position 0 is 4294967196"],
      [[long, Uint16Array.from([3, 301])], "position 20001 is 301"],
      [later([1, 2.5]), "position 1 is 2.5"],
      [[[1], [Number.NaN]], "position 1 is NaN"],
      [BigInt64Array.from([2n ** 40n]), "position 0 is 1099511627776"],
      [["3"] as unknown as number[], "position 0 is 3"],
    ];
    for (const [source, what] of wrong) expect((await refusal(source)).what).toContain(what);
    expect((await refusal(7 as unknown as number[])).remedy).toContain("an iterable or a stream of ids");
    expect((await refusal(new DataView(new ArrayBuffer(8)) as unknown as number[])).remedy).toContain("an iterable");
    expect((await refusal([], { vocabSize: 0 })).where).toBe("countIds({ vocabSize })");
    expect((await refusal([], { endOfText: 300 })).what).toContain("300");
  });
});

describe("countTokenised", () => {
  test("counts bytes cut anywhere", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: vocabSize - 1 }), { maxLength: 50 }), cuts, async (ids, lengths) => {
        for (const [width, numbers] of [
          ["uint16", Uint16Array.from(ids)],
          ["uint32", Uint32Array.from(ids)],
        ] as const) {
          const bytes = new Uint8Array(numbers.buffer);
          for (const source of [bytes, numbers.buffer, new Blob([bytes]), later(pieces(bytes, lengths))]) {
            expect([...(await countTokenised(source, { width, vocabSize })).counts]).toEqual(plainCounts(ids));
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test("refuses part of an id, an unknown width and ids outside the vocabulary", async () => {
    const attempt = (bytes: number[], width: "uint16" | "uint32"): Promise<unknown> =>
      countTokenised(Uint8Array.from(bytes), { width, vocabSize }).catch((error: Error) => error.message);
    expect(await attempt([1, 0, 2], "uint16")).toContain("end 1 byte into a uint16");
    expect(await attempt([1, 0, 0, 0, 2, 0, 0], "uint32")).toContain("end 3 bytes into a uint32");
    expect(await attempt([1, 0, 0xff, 0xff], "uint16")).toContain("position 1 is 65535");
    expect(await attempt([1], "int8" as "uint16")).toContain('Give "uint16" or "uint32"');
  });
});
