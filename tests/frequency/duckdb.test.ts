/** The SQL of a count table, run by DuckDB over shards, gives the counts that counting the shards gives. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { parquetWriteBuffer } from "hyparquet-writer";
import { LossError } from "lossmith";
import { countStatement } from "lossmith/frequency";
import { countFiles, loadCounts } from "lossmith/frequency/files";

const folder = mkdtempSync(join(tmpdir(), "lossmith-duckdb-"));
afterAll(() => rmSync(folder, { recursive: true }));

const vocabSize = 500;
const shards = Array.from({ length: 3 }, (_, shard) =>
  Array.from({ length: 4000 }, (_, i) => (i % 97 === 0 ? -100 : (i * i + 31 * shard) % (vocabSize - 1))),
);
const files = shards.map((ids, i) => {
  const path = join(folder, `shard${i}.parquet`);
  const rows = Array.from({ length: 40 }, (_, row) => ids.slice(100 * row, 100 * row + 100));
  const lists = { name: "ids", data: rows.flatMap((row) => [row, ...new Array(99).fill([])]) };
  const schema = [
    { name: "root", num_children: 2 },
    { name: "token", type: "INT32", repetition_type: "REQUIRED" },
    { name: "ids", repetition_type: "OPTIONAL", num_children: 1, converted_type: "LIST" },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    { name: "element", type: "INT32", repetition_type: "OPTIONAL" },
  ] as const;
  const columnData = [{ name: "token", data: Int32Array.from(ids) }, lists];
  writeFileSync(path, new Uint8Array(parquetWriteBuffer({ columnData, schema: [...schema] })));
  return path;
});
const connection = await (await DuckDBInstance.create(":memory:")).connect();

describe("countStatement", () => {
  for (const [column, lists] of [
    ["token", false],
    ["ids", true],
  ] as const) {
    test(`counts a column of ${lists ? "lists" : "ids"}, as countFiles does`, async () => {
      const table = join(folder, `${column}.counts.parquet`);
      const statement = countStatement({ from: `read_parquet('${folder}/shard*.parquet')`, column, lists });
      await connection.run(`COPY (${statement}) TO '${table}' (FORMAT parquet)`);
      const read = await loadCounts(table, { vocabSize, tokenizer: "mine" });
      const counted = await countFiles(files, { column, vocabSize });
      expect([...read.counts]).toEqual([...counted.counts]);
      expect([read.tokens, counted.ignored]).toEqual([3 * 4000 - counted.ignored, 3 * 42]);
    });
  }

  test("does not hide tokens that are NULL", async () => {
    const table = join(folder, "null.parquet");
    const statement = countStatement({ from: "(VALUES (1), (NULL)) AS t(token)" });
    await connection.run(`COPY (${statement}) TO '${table}' (FORMAT parquet)`);
    await expect(loadCounts(table, { vocabSize })).rejects.toThrow("is null, outside a vocabulary");
  });

  test("quotes columns, and refuses what is no engine, table, column or label", async () => {
    await connection.run(`CREATE TABLE t AS SELECT 7 AS "a ""b"""`);
    const rows = await (await connection.run(countStatement({ from: "t", column: 'a "b"' }))).getRows();
    expect(rows).toEqual([[7, 1n]]);
    const spark = countStatement({ from: "tokens", column: "i`d", lists: true, engine: "spark" });
    expect(spark.split("\n")).toEqual([
      "SELECT id AS token, count(*) AS count",
      "FROM (SELECT explode(`i``d`) AS id FROM tokens) AS ids",
      "WHERE id IS DISTINCT FROM -100",
      "GROUP BY id",
    ]);
    for (const wrong of [
      { from: " " },
      { from: "t", column: "" },
      { from: "t", engine: "sqlite" },
      { from: "t", ignoreIndex: 0.5 },
    ]) {
      expect(() => countStatement(wrong as never)).toThrow(LossError);
    }
  });
});
