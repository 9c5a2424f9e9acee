/** What is in a file, as its name tells. */
import { LossError } from "../../loss/error.ts";

/** The format of a corpus file. */
export type CorpusFormat = "text" | "jsonl" | "parquet" | "uint16" | "uint32";

/** How a file is compressed. */
export type Compression = "none" | "gzip" | "zstd" | "brotli";

export const corpusFormats: readonly CorpusFormat[] = ["text", "jsonl", "parquet", "uint16", "uint32"];
export const compressions: readonly Compression[] = ["none", "gzip", "zstd", "brotli"];

const formatOf: Readonly<Record<string, CorpusFormat>> = {
  txt: "text",
  text: "text",
  md: "text",
  jsonl: "jsonl",
  ndjson: "jsonl",
  parquet: "parquet",
  uint16: "uint16",
  u16: "uint16",
  uint32: "uint32",
  u32: "uint32",
};

const compressionOf: Readonly<Record<string, Compression>> = {
  gz: "gzip",
  gzip: "gzip",
  zst: "zstd",
  zstd: "zstd",
  br: "brotli",
};

/** The standard input, where a file's name may be. */
export const standardInput = "-";

/** How a file is to be read; a LossError where neither its name nor the options tell its format. */
export function readingOf(
  path: string,
  given: { readonly format?: CorpusFormat; readonly compression?: Compression },
): { readonly format: CorpusFormat; readonly compression: Compression } {
  const endings = path.toLowerCase().split("/").at(-1)?.split(".").slice(1) ?? [];
  const last = endings.at(-1) ?? "";
  const compression = given.compression ?? compressionOf[last] ?? "none";
  const ending = Object.hasOwn(compressionOf, last) ? (endings.at(-2) ?? "") : last;
  const format = given.format ?? formatOf[ending];
  if (format !== undefined) return { format, compression };
  throw new LossError(
    path === standardInput ? "standard input" : path,
    ending === "" ? "nothing tells its format" : `its ending .${ending} does not tell its format`,
    `Say the format: ${corpusFormats.join(", ")}`,
  );
}
