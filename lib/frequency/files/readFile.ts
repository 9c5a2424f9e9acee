/** The bytes of files, decompressed. */
import { createReadStream } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import process from "node:process";
import { pipeline, Readable, type Transform } from "node:stream";
import * as zlib from "node:zlib";
import { LossError } from "../../loss/error.ts";
import type { ParquetSource } from "../parquetFile.ts";
import { type Compression, standardInput } from "./format.ts";
import { zstdFrames } from "./zstdFrames.ts";

/** A file, or a part of one. */
export interface FilePart {
  readonly path: string;
  readonly compression: Compression;
  /** From this byte on, up to before `end`; for Parquet these are row groups. */
  readonly start: number;
  /** Null for all that follows. */
  readonly end: number | null;
}

/** Each read is of so many bytes. */
const readSize = 1 << 18;

/**
 * The bytes of a part, decompressed. `onBytes` hears how many were read of the file, when they have been used.
 *
 * @throws LossError where the file cannot be read, is cut, or the runtime cannot decompress it.
 */
export async function* readPart(
  part: FilePart,
  onBytes: (bytes: number) => void,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { path, compression, start, end } = part;
  const file: Readable =
    path === standardInput
      ? process.stdin
      : createReadStream(path, {
          // A pipe with a name cannot be read from a place on.
          ...(start === 0 && end === null ? {} : { start }),
          ...(end === null ? {} : { end: end - 1 }),
          highWaterMark: readSize,
        });
  let [read, told] = [0, 0];
  const frames = compression === "zstd" ? zstdFrames() : null;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const bytes of file as AsyncIterable<Uint8Array>) {
      read += bytes.length;
      frames?.push(bytes);
      yield bytes;
    }
  };
  const decompress = decompressor(compression, path);
  const bytes = decompress === null ? counted() : pipeline(Readable.from(counted()), decompress, () => {});
  try {
    for await (const piece of untilAborted(bytes as AsyncIterable<Uint8Array>, signal)) {
      yield piece;
      onBytes(read - told);
      told = read;
    }
    if (frames?.areWhole === false) throw new Error("unexpected end of file");
    onBytes(read - told);
  } catch (error) {
    throw signal?.aborted ? signal.reason : unreadable(path, error);
  } finally {
    file.destroy();
    decompress?.destroy();
  }
}

/** The items up to when the signal is given, also where none comes for long, as of the standard input. */
async function* untilAborted<T>(items: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  if (signal === undefined) return yield* items;
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  // Where all has been read before, nobody waits for it.
  aborted.catch(() => {});
  const iterator = items[Symbol.asyncIterator]();
  for (;;) {
    signal.throwIfAborted();
    const { value, done } = await Promise.race([iterator.next(), aborted]);
    if (done === true) return;
    yield value;
  }
}

function decompressor(compression: Compression, path: string): Transform | null {
  switch (compression) {
    case "none":
      return null;
    case "gzip":
      return zlib.createGunzip();
    case "brotli":
      return zlib.createBrotliDecompress();
    case "zstd": {
      const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
      if (typeof createZstdDecompress === "function") return createZstdDecompress();
      throw new LossError(
        path,
        "this runtime cannot decompress zstd",
        "Use Bun, Deno or Node 22.15 or later, or decompress it first: zstd -dc FILE | lossmith count -",
      );
    }
  }
}

/** What is thrown where a file cannot be read; errors of lossmith's own stay as they are. */
export function unreadable(path: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof LossError) return error;
  const remedies: Readonly<Record<string, string>> = {
    ENOENT: "Check the name",
    EACCES: "Ask for the right to read it",
    EISDIR: "Give files: 'FOLDER/*.jsonl'",
  };
  const what: Readonly<Record<string, string>> = {
    ENOENT: "there is no such file",
    EACCES: "it may not be read",
    EISDIR: "it is a folder",
  };
  return new LossError(
    path === standardInput ? "standard input" : path,
    what[code ?? ""] ?? `it cannot be read: ${message}`,
    remedies[code ?? ""] ?? "Give a whole file, compressed as its name says",
  );
}

/** The size of a file in bytes; a LossError where there is none. */
export async function fileSize(path: string): Promise<number> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
    return found.size;
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** What reads slices of a file, for Parquet; close it in the end. */
export async function openSlices(
  path: string,
  onBytes: (bytes: number) => void,
): Promise<{ readonly source: ParquetSource; close(): Promise<void> }> {
  const byteLength = await fileSize(path);
  let handle: FileHandle;
  try {
    handle = await open(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  const slice = async (start: number, end = byteLength): Promise<ArrayBuffer> => {
    const bytes = new Uint8Array(end - start);
    let filled = 0;
    while (filled < bytes.length) {
      const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, start + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    onBytes(filled);
    return bytes.buffer;
  };
  return { source: { byteLength, slice }, close: () => handle.close() };
}
