/** What is read an item at a time, whatever gives the items. */
import { LossError } from "../loss/error.ts";

/** Items from an iterable, an async iterable or a ReadableStream. */
export type Items<T> = Iterable<T> | AsyncIterable<T> | ReadableStream<T>;

/** Bytes: in memory, in a file that a browser holds, or arriving in pieces. */
export type ByteSource = Uint8Array | ArrayBuffer | Blob | Items<Uint8Array>;

/** Text: in memory, arriving in pieces, or as the bytes of its UTF-8. */
export type TextSource = string | ByteSource | Items<string>;

/** The items of a source; a LossError where it has none. `expected` says what would. */
export function itemsOf<T>(source: Items<T>, where: string, expected: string): Iterable<T> | AsyncIterable<T> {
  if (typeof source === "object" && source !== null) {
    const { [Symbol.iterator]: each, [Symbol.asyncIterator]: eachLater } = source as Partial<
      Iterable<T> & AsyncIterable<T>
    >;
    if (each !== undefined || eachLater !== undefined) return source as Iterable<T> | AsyncIterable<T>;
    // Not every browser lets streams be iterated.
    const stream = source as ReadableStream<T>;
    if (typeof stream.getReader === "function") return readItems(stream);
  }
  throw new LossError(where, `got ${String(source)}`, `Give ${expected}`);
}

async function* readItems<T>(stream: ReadableStream<T>): AsyncGenerator<T> {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    // What stops before the end lets go of the source, be it a file or a connection.
    await reader.cancel();
  }
}

/** The pieces of text or bytes that a source gives. */
export function piecesOf(
  source: TextSource,
  where: string,
): Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array> {
  if (typeof source === "string" || source instanceof Uint8Array) return [source];
  if (source instanceof ArrayBuffer) return [new Uint8Array(source)];
  const items = typeof Blob !== "undefined" && source instanceof Blob ? source.stream() : source;
  return itemsOf<string | Uint8Array>(
    items as Items<string | Uint8Array>,
    where,
    "text, bytes, or an iterable or a stream of them",
  );
}

const encoder = new TextEncoder();

/** The same as bytes, text in its UTF-8; a LossError where an item is neither. */
export async function* bytesOf(source: TextSource, where: string): AsyncGenerator<Uint8Array> {
  for await (const piece of piecesOf(source, where)) {
    if (typeof piece === "string") yield encoder.encode(piece);
    else if (piece instanceof Uint8Array) yield piece;
    else throw new LossError(where, `got ${String(piece)} among the bytes`, "Give bytes in Uint8Arrays");
  }
}
