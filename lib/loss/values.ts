/**
 * What losses over values read: the predictions and targets of a row, column by column, and numbers of the row over its
 * columns.
 */
import { LossError } from "./error.ts";
import { atom, constant, type Expression, max, min, named, subtract, weigh } from "./expression.ts";
import type { ClassAtom, ColumnAggregate, ColumnAtom, ColumnExpression, ColumnParts } from "./loss.ts";

/** Over columns: the prediction in the column. */
export const prediction: ColumnExpression = atom({ kind: "prediction" });

/**
 * Over the columns of values: the target in the column. In a loss over logits: the weight of the class among the row's targets, 1
 * at an integer label, where there are no others. Such a loss is not linear in soft labels, and has no value at the other classes.
 */
export const target: Expression<ClassAtom & ColumnAtom> = atom({ kind: "target" });

/** prediction − target. */
export const error: ColumnExpression = subtract(prediction, target);

/**
 * In a loss over values: the sum, the mean or the maximum of an expression over the columns of the row. The gradient of
 * a maximum is shared evenly by the columns that have it.
 */
export function overColumns(aggregate: ColumnAggregate, body: ColumnExpression): Expression<ClassAtom & ColumnAtom> {
  if (aggregate !== "sum" && aggregate !== "mean" && aggregate !== "max") {
    throw new LossError("overColumns(aggregate)", `got ${JSON.stringify(aggregate)}`, 'Give "sum", "mean" or "max"');
  }
  return atom({ kind: "overColumns", aggregate, body });
}

/**
 * For a loss whose columns have names, such as a score of the preferred answer and one of the other: for each name the
 * function from an expression over the columns to its number in that column. The rows of a batch must then have just
 * these columns.
 */
export function namedColumns<const Names extends readonly string[]>(
  ...names: Names
): { readonly [i in keyof Names]: (body: ColumnExpression) => Expression<ClassAtom & ColumnAtom> } {
  const columns = partsOf("namedColumns", { names, size: "one column" }).map(
    (here) => (body: ColumnExpression) => overColumns("sum", weigh(here, body)),
  );
  return columns as never;
}

/**
 * For a loss whose rows are several vectors of one length, one after the other: for each name an expression over the
 * columns that is 1 in the columns of its vector and 0 in the others. The rows of a batch must then have a multiple of
 * as many columns.
 */
export function equalParts<const Names extends readonly string[]>(
  ...names: Names
): { readonly [i in keyof Names]: ColumnExpression } {
  return partsOf("equalParts", { names, size: "any" }) as never;
}

function partsOf(where: string, parts: ColumnParts): readonly ColumnExpression[] {
  checkParts(where, parts);
  return parts.names.map((name, index) => named(`[${name}]`, atom({ kind: "part", index, parts })));
}

/** Throws where there is no part, or one without a name. */
export function checkParts(where: string, { names }: ColumnParts): void {
  if (names.length > 0 && names.every((name) => typeof name === "string" && name !== "")) return;
  throw new LossError(`${where}(names)`, `got ${JSON.stringify(names)}`, "Give a name for each part of the row");
}

/** One of the parts of a row. */
export function partOf({ index, parts }: Pick<PartAtom, "index" | "parts">): Expression<PartAtom> {
  checkParts("part", parts);
  if (Object.hasOwn(parts.names, index)) return atom({ kind: "part", index, parts });
  throw new LossError("part", `got the index ${index} of ${parts.names.length} parts`, "Give the index of a name");
}

/** 1 for a column of the part, 0 for another, of `columns` in all. */
export function isInPart({ index, parts }: PartAtom, column: number, columns: number): number {
  return Math.floor((column * parts.names.length) / columns) === index ? 1 : 0;
}

export type PartAtom = Extract<ColumnAtom, { readonly kind: "part" }>;

/** What probabilities are kept away from 0 and 1 by, as in Keras. */
export const epsilon = 1e-7;

/** x within [lowest, highest], with the gradient of x there, the bounds included, and none outside. */
export function clamp<A>(x: Expression<A>, lowest: number, highest: number): Expression<A> {
  return min(constant(highest), max(x, constant(lowest)));
}
