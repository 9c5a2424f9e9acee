/**
 * Expressions over the columns of one row of values, and their gradient, in float64.
 */
import { differentiate } from "../loss/differentiate.ts";
import { atomsOf, binaryNumber, interpreter } from "../loss/expression.ts";
import { aggregateEntries, type Entries, entriesAlgebra } from "../loss/field.ts";
import type { ColumnAtom, ColumnExpression, ColumnsAtom } from "../loss/loss.ts";
import { stepValue } from "../loss/schedule.ts";
import { isInPart } from "../loss/values.ts";
import { type PlainRows, positionOf } from "./plainBatch.ts";

/** The meaning of expressions over the columns of a row: a number, or one for each column. */
function columnMeaning(rows: PlainRows, row: number): (e: ColumnExpression) => Entries {
  const meaning = (a: ColumnAtom): Entries => {
    switch (a.kind) {
      case "step":
        return stepValue(a, rows.step);
      case "parameter":
        return rows.parameter(a);
      case "prediction":
        return Float64Array.from(rows.predictions[row]);
      case "target":
        return Float64Array.from(rows.targetValues[row]);
      case "input":
        return rows.inputs.get(a.name)?.[row] ?? Number.NaN;
      case "position":
        return positionOf(rows, row);
      case "part":
        return Float64Array.from({ length: rows.classes }, (_, j) => isInPart(a, j, rows.classes));
      case "overColumns":
        return overColumns(a, visit(a.body), rows);
    }
  };
  const visit = interpreter(entriesAlgebra(meaning));
  return visit;
}

/** The sum, the mean or the maximum over the columns of a row. */
export function columnsValue(a: ColumnsAtom, rows: PlainRows, row: number): number {
  return overColumns(a, columnMeaning(rows, row)(a.body), rows);
}

function overColumns({ aggregate }: ColumnsAtom, entries: Entries, { classes }: PlainRows): number {
  if (aggregate === "mean") return aggregateEntries("sum", entries, classes) / classes;
  return aggregateEntries(aggregate, entries, classes);
}

/** What each column's body counts for in the row's number; a maximum is shared by the columns that have it. */
function shares({ aggregate }: ColumnsAtom, entries: Entries, columns: number): readonly number[] {
  const all = Array.from({ length: columns }, (_, j) => entryAt(entries, j));
  if (aggregate === "sum") return all.map(() => 1);
  if (aggregate === "mean") return all.map(() => 1 / columns);
  const highest = all.reduce((a, b) => Math.max(a, b));
  const having = all.filter((x) => x === highest).length;
  return all.map((x) => (x === highest ? 1 / having : 0));
}

/** Adds ∂(seed · a) / ∂prediction_j to `into`, [rows][D], for the number a of a row. */
export function addColumnsGradient(
  a: ColumnsAtom,
  seed: number,
  rows: PlainRows,
  row: number,
  into: readonly Float64Array[],
): void {
  const visit = columnMeaning(rows, row);
  const share = shares(a, visit(a.body), rows.classes);
  for (const b of atomsOf(a.body)) {
    if (b.kind !== "prediction" && b.kind !== "overColumns") continue;
    const slope = visit(differentiate(a.body, (c) => c === b));
    const reached = share.map((s, j) => binaryNumber.weigh(seed * s, entryAt(slope, j)));
    if (b.kind === "prediction") {
      reached.forEach((g, j) => {
        into[row][j] += g;
      });
    } else {
      addColumnsGradient(
        b,
        reached.reduce((sum, g) => sum + g, 0),
        rows,
        row,
        into,
      );
    }
  }
}

function entryAt(entries: Entries, j: number): number {
  return typeof entries === "number" ? entries : entries[j];
}
