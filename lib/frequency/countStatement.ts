import { LossError } from "../loss/error.ts";

/** What a table of tokens looks like. */
export interface CountStatementOptions {
  /** What is read, as the engine writes it: a table's name, read_parquet('tokens/*.parquet'). It is not quoted here. */
  readonly from: string;
  /** The column of token ids; "token" by default. */
  readonly column?: string;
  /** Whether the column has lists of token ids, a document a row; false by default. */
  readonly lists?: boolean;
  /** A label that is not a token and is not counted; −100 by default. */
  readonly ignoreIndex?: number;
  /** The engine: "duckdb" (the default) or "spark". They differ in how lists are taken apart, and in quotation marks. */
  readonly engine?: "duckdb" | "spark";
}

/**
 * The SQL of a count table (token, count), for corpora that an engine reads better than one process does. Its result,
 * saved as Parquet, is read by `countsFromParquet`, which refuses the row that tokens that are NULL get.
 *
 * @throws LossError for an unknown engine, no table, no column, or an ignore index that is no integer.
 *
 * @example
 * ```ts
 * import { countStatement } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * expect(countStatement({ from: "read_parquet('tokens/*.parquet')" })).toBe(
 *   `SELECT "token" AS token, count(*) AS count
 * FROM read_parquet('tokens/*.parquet')
 * WHERE "token" IS DISTINCT FROM -100
 * GROUP BY "token"`,
 * );
 * ```
 */
export function countStatement(options: CountStatementOptions): string {
  const { from, column = "token", lists = false, ignoreIndex = -100, engine = "duckdb" } = options ?? {};
  const refuse = (option: string, got: unknown, remedy: string): never => {
    throw new LossError(`countStatement({ ${option} })`, `got ${String(got)}`, remedy);
  };
  if (engine !== "duckdb" && engine !== "spark") refuse("engine", engine, 'Give "duckdb" or "spark"');
  if (typeof from !== "string" || from.trim() === "")
    refuse("from", from, "Give the name of a table, or what reads one");
  if (typeof column !== "string" || column === "") refuse("column", column, "Give the name of the column of token ids");
  if (!Number.isSafeInteger(ignoreIndex)) refuse("ignoreIndex", ignoreIndex, "Give an integer");
  const quote = engine === "duckdb" ? '"' : "`";
  const name = `${quote}${column.replaceAll(quote, quote + quote)}${quote}`;
  const [token, source] = lists
    ? ["id", `(SELECT ${engine === "duckdb" ? "unnest" : "explode"}(${name}) AS id FROM ${from}) AS ids`]
    : [name, from];
  return [
    `SELECT ${token} AS token, count(*) AS count`,
    `FROM ${source}`,
    `WHERE ${token} IS DISTINCT FROM ${ignoreIndex}`,
    `GROUP BY ${token}`,
  ].join("\n");
}
