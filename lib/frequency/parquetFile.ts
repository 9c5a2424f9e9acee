/** Parquet files, read by hyparquet a row group at a time. */
import {
  type AsyncBuffer,
  type DecodedArray,
  type FileMetaData,
  parquetMetadataAsync,
  parquetScan,
  parquetSchema,
  type SchemaTree,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { LossError } from "../loss/error.ts";

/** A Parquet file: its bytes, or what reads slices of it, as hyparquet's `asyncBufferFromUrl` does. */
export type ParquetSource = Uint8Array | ArrayBuffer | AsyncBuffer;

/** An open Parquet file. */
export interface ParquetFile {
  readonly metadata: FileMetaData;
  /** The top-level columns. */
  readonly columns: readonly SchemaTree[];
  /** The rows of each row group: from, to. */
  readonly groups: readonly { readonly rowStart: number; readonly rowEnd: number }[];
  /** The values of a column in a row group. */
  read(column: string, group: { readonly rowStart: number; readonly rowEnd: number }): Promise<DecodedArray>;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A text that is no UTF-8 stays the bytes that it is, where hyparquet would put other characters into it. */
const parsers = {
  stringFromBytes: (bytes: Uint8Array | undefined): string | Uint8Array | undefined => {
    try {
      return bytes === undefined ? bytes : decoder.decode(bytes);
    } catch {
      return bytes;
    }
  },
};

/** Opens a Parquet file; a LossError where it is none, is cut, or a column is missing. */
export async function openParquet(
  source: ParquetSource,
  columns: readonly string[],
  where: string,
): Promise<ParquetFile> {
  const file = bufferOf(source, where);
  const metadata = await orRefuse(() => parquetMetadataAsync(file), where);
  const { children } = parquetSchema(metadata);
  const names = children.map(({ element }) => element.name);
  for (const column of columns) {
    if (names.includes(column)) continue;
    throw new LossError(
      where,
      `the Parquet file has no column "${column}"`,
      `Name one of its columns: ${names.join(", ")}`,
    );
  }
  const scan = await orRefuse(
    () => parquetScan({ file, metadata, columns: [...columns], compressors, useOffsetIndex: false, parsers }),
    where,
  );
  return {
    metadata,
    columns: children,
    groups: scan.ranges,
    read: (column, group) => orRefuse(() => scan.readColumn({ column, ...group }), where),
  };
}

function bufferOf(source: ParquetSource, where: string): AsyncBuffer {
  if (source instanceof ArrayBuffer) return source;
  if (source instanceof Uint8Array) {
    return { byteLength: source.length, slice: (start, end) => source.slice(start, end).buffer };
  }
  if (typeof source === "object" && source !== null && typeof source.slice === "function") return source;
  throw new LossError(
    where,
    `got ${String(source)}`,
    "Give the bytes of a Parquet file, or an AsyncBuffer of hyparquet",
  );
}

async function orRefuse<T>(read: () => Promise<T>, where: string): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new LossError(
      where,
      `the Parquet file cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      "Give a whole Parquet file; write it anew where it was cut",
    );
  }
}
