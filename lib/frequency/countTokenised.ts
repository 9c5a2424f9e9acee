import { LossError } from "../loss/error.ts";
import type { CorpusCounts } from "./corpusCounts.ts";
import { type CountIdsOptions, countIdsAs } from "./countIds.ts";
import { type ByteSource, bytesOf } from "./items.ts";

/** How a token id is stored: so many bits, without a sign, the lowest byte first. */
export type IdWidth = "uint16" | "uint32";

/** Options of `countTokenised`. */
export interface CountTokenisedOptions extends CountIdsOptions {
  /** How each id is stored. There is no default: the wrong one gives other ids. */
  readonly width: IdWidth;
}

/** The bytes of an id. */
export const bytesPerId: Readonly<Record<IdWidth, number>> = { uint16: 2, uint32: 4 };

/**
 * Counts the ids of a tokenised corpus: the bytes of uint16 or uint32 numbers, little endian, and nothing else, as
 * training programs memory-map them.
 *
 * @throws LossError for an id outside the vocabulary, with its position, and for bytes that end within an id.
 *
 * @example
 * ```ts
 * import { countTokenised } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * const bytes = new Uint8Array([3, 0, 1, 1, 3, 0]);
 * const { counts, tokens } = await countTokenised(bytes, { width: "uint16", vocabSize: 300 });
 * expect([counts[3], counts[257], tokens]).toEqual([2, 1, 3]);
 * ```
 */
export async function countTokenised(source: ByteSource, options: CountTokenisedOptions): Promise<CorpusCounts> {
  const { width } = options ?? {};
  if (!Object.hasOwn(bytesPerId, String(width))) {
    throw new LossError("countTokenised({ width })", `got ${String(width)}`, 'Give "uint16" or "uint32"');
  }
  return countIdsAs("countTokenised", idsOf(bytesOf(source, "countTokenised(source)"), width), options);
}

async function* idsOf(source: AsyncIterable<Uint8Array>, width: IdWidth): AsyncGenerator<Uint16Array | Uint32Array> {
  const size = bytesPerId[width];
  let held = new Uint8Array(0);
  for await (const bytes of source) {
    const start = held.length === 0 ? 0 : Math.min(size - held.length, bytes.length);
    if (start > 0) {
      held = Uint8Array.from([...held, ...bytes.subarray(0, start)]);
      if (held.length === size) {
        yield numbers(held, width);
        held = new Uint8Array(0);
      }
    }
    const whole = start + Math.floor((bytes.length - start) / size) * size;
    if (whole > start) yield numbers(bytes.subarray(start, whole), width);
    if (whole < bytes.length) held = bytes.slice(whole);
  }
  if (held.length === 0) return;
  throw new LossError(
    "countTokenised(source)",
    `the bytes end ${held.length} ${held.length === 1 ? "byte" : "bytes"} into a ${width}`,
    "Give whole ids: the file is cut, has a header, or is of another width",
  );
}

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function numbers(bytes: Uint8Array, width: IdWidth): Uint16Array | Uint32Array {
  const size = bytesPerId[width];
  const aligned = isLittleEndian && bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  if (!isLittleEndian) {
    for (let start = 0; start < aligned.length; start += size) aligned.subarray(start, start + size).reverse();
  }
  const length = bytes.length / size;
  const { buffer, byteOffset } = aligned;
  return width === "uint16" ? new Uint16Array(buffer, byteOffset, length) : new Uint32Array(buffer, byteOffset, length);
}
