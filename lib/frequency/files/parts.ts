/** Files cut into parts that can be counted apart, at places where no token, line or row is cut through. */
import { open } from "node:fs/promises";
import { bytesPerId } from "../countTokenised.ts";
import { openParquet } from "../parquetFile.ts";
import type { Tokenizer } from "../tokenizer.ts";
import type { CorpusFormat } from "./format.ts";
import { type FilePart, fileSize, openSlices } from "./readFile.ts";

/** A part of a corpus: the first part of a document, or what follows one. */
export interface CorpusPart extends FilePart {
  readonly format: CorpusFormat;
  /** Whether the next part goes on with the document of this one. */
  readonly continues: boolean;
}

/** So much is looked at around a place where text may be cut. */
const lookAround = 4096;

/** After so many bytes without a place to cut a part goes on to the next place that is tried. */
const longestSearch = 1 << 20;

/** The parts of a file, each of some `size` bytes. `tokenizer` is that of text, which tells where it may be cut. */
export async function partsOf(
  whole: CorpusPart,
  size: number,
  tokenizer: Tokenizer | null,
): Promise<readonly CorpusPart[]> {
  if (whole.compression !== "none") return [whole];
  if (whole.format === "parquet") return rowGroupsOf(whole);
  const total = await fileSize(whole.path);
  // Also what has no size, as a pipe with a name.
  if (total <= size) return [whole];
  const file = await open(whole.path);
  const read = async (start: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, total - start)));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
    return bytes.subarray(0, bytesRead);
  };
  const places: number[] = [];
  try {
    for (let at = size; at < total; at = (places.at(-1) ?? 0) + size) {
      const place = await placeAfter(at, whole.format, read, tokenizer);
      if (place === null || place >= total) break;
      places.push(place);
    }
  } finally {
    await file.close();
  }
  return [0, ...places].map((start, i) => ({
    ...whole,
    start,
    end: places[i] ?? total,
    continues: whole.format === "text" && i < places.length,
  }));
}

/** How many bytes of a file's part are worth their own worker. */
export function sizeOfParts(total: number, workers: number): number {
  return Math.max(1 << 22, Math.min(1 << 26, Math.ceil(total / (4 * workers))));
}

async function rowGroupsOf(whole: CorpusPart): Promise<readonly CorpusPart[]> {
  const { source, close } = await openSlices(whole.path, () => {});
  try {
    const { groups } = await openParquet(source, [], whole.path);
    return groups.length === 0 ? [whole] : groups.map((_, i) => ({ ...whole, start: i, end: i + 1 }));
  } finally {
    await close();
  }
}

type Read = (start: number, length: number) => Promise<Uint8Array>;

async function placeAfter(
  at: number,
  format: CorpusFormat,
  read: Read,
  tokenizer: Tokenizer | null,
): Promise<number | null> {
  if (format === "uint16" || format === "uint32") return at - (at % bytesPerId[format]);
  for (let start = at; start < at + longestSearch; start += lookAround) {
    const bytes = await read(start, lookAround);
    if (bytes.length === 0) return null;
    if (format === "jsonl") {
      const end = bytes.indexOf(10);
      if (end >= 0) return start + end + 1;
      continue;
    }
    const place = spaceAfterLetter(bytes);
    if (place !== null && tokenizer !== null && (await isSafe(start + place, read, tokenizer))) return start + place;
  }
  return format === "jsonl" ? placeAfter(at + longestSearch, format, read, tokenizer) : null;
}

/** The place of a space after a letter or digit of ASCII, which no character of more bytes has a part like. */
function spaceAfterLetter(bytes: Uint8Array): number | null {
  for (let i = 1; i < bytes.length; i++) {
    if (bytes[i] === 32 && /[A-Za-z0-9]/.test(String.fromCharCode(bytes[i - 1]))) return i;
  }
  return null;
}

/** Whether the text around a place has the tokens of its two sides. */
async function isSafe(place: number, read: Read, { encode }: Tokenizer): Promise<boolean> {
  const start = Math.max(0, place - lookAround);
  const around = await read(start, place - start + lookAround);
  const decoder = new TextDecoder();
  const [left, right] = [around.subarray(0, place - start), around.subarray(place - start)].map((bytes) =>
    // What is cut off at the outer ends is no text of either side.
    decoder.decode(bytes).replace(/^\ufffd+|\ufffd+$/g, ""),
  );
  return sameIds(encode(left + right), [encode(left), encode(right)]);
}

function sameIds(whole: ArrayLike<number | bigint>, [left, right]: readonly ArrayLike<number | bigint>[]): boolean {
  if (whole.length !== left.length + right.length) return false;
  return Array.from(whole).every((id, i) => id === (i < left.length ? left[i] : right[i - left.length]));
}
