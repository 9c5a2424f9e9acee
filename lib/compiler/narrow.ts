/**
 * The narrow part of a loss: expressions whose values are one number a row, over statistics that cost a pass over the
 * vocabulary and tables that are folded once.
 */
import { atomsOf, type Expression } from "../loss/expression.ts";
import type { Field } from "../loss/field.ts";
import type { Step } from "../loss/schedule.ts";

/** An expression over the entries of the vocabulary that does not look at the logits. */
export type Table = Expression<TableAtom>;
export type TableAtom = Step | { readonly kind: "vocabularySize" } | { readonly kind: "weight"; readonly field: Field };

/** A statistic of a row; `table` null is the dot product with ones. */
export type Statistic =
  | { readonly kind: "s" }
  | { readonly kind: "t" }
  | { readonly kind: "r" }
  | { readonly kind: "dot"; readonly table: Table | null };

export type NarrowAtom =
  | Step
  | { readonly kind: "vocabularySize" }
  | { readonly kind: "statistic"; readonly statistic: Statistic }
  /** The table's entry at the row's label. */
  | { readonly kind: "lookup"; readonly table: Table }
  /** The sum of the table: one number. */
  | { readonly kind: "total"; readonly table: Table };

export type Narrow = Expression<NarrowAtom>;

const fieldNumbers = new WeakMap<Field, number>();
let fields = 0;

/** The same text for tables that mean the same, built from the same fields. */
export function tableKey(table: Table): string {
  return JSON.stringify(table, (key, value: unknown) => {
    if (key !== "field") return value;
    const field = value as Field;
    const number = fieldNumbers.get(field) ?? fields++;
    fieldNumbers.set(field, number);
    return number;
  });
}

export function statisticKey(statistic: Statistic): string {
  return statistic.kind === "dot" ? `dot ${statistic.table && tableKey(statistic.table)}` : statistic.kind;
}

/** The distinct values among the atoms of some expressions, by key, in order of first appearance. */
export function distinct<T>(
  expressions: readonly Narrow[],
  pick: (a: NarrowAtom) => T | null,
  key: (x: T) => string,
): ReadonlyMap<string, T> {
  const found = new Map<string, T>();
  for (const e of expressions) {
    for (const a of atomsOf(e)) {
      const x = pick(a);
      if (x !== null && !found.has(key(x))) found.set(key(x), x);
    }
  }
  return found;
}
