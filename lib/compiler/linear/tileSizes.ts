/** How many rows of logits exist at a time, and how many of their columns: from shapes, the device's limit and options. */
import { LossError } from "../../loss/error.ts";
import type { Plan } from "../plan.ts";
import { ofKind } from "../state.ts";

/** How many of the logits of the linear form exist at a time; each a whole number above 0. */
export interface LinearTileOptions {
  /** Rows; by default as many as fit in 8 MiB, 4 at least, and fewer where the loss takes ordinary ops over the vocabulary. */
  readonly tileRows?: number;
  /**
   * Columns of these rows. By default all, or where the rows are more than the device binds, as many as it does. With fewer than V
   * columns the logits are made twice for a gradient.
   */
  readonly tileColumns?: number;
}

/** The rows of a block and the columns of a tile: V where rows are whole. */
export interface TileSizes {
  readonly rows: number;
  readonly columns: number;
}

/** Bytes of a tile of logits, at most. */
const tileBytes = 2 ** 23;
/** Bytes of all buffers of a tile's size, about. */
const heldBytes = 2 ** 25;
/** Rows of a block, and columns of a tile, are a multiple of it: products work on so many at a time. */
const together = 4;

/** Throws where a number of rows or columns is none. */
export function checkTileOptions(options: LinearTileOptions): void {
  for (const name of ["tileRows", "tileColumns"] as const) {
    const size = options[name];
    if (size === undefined || (Number.isInteger(size) && size > 0)) continue;
    throw new LossError(`compileLinear({ ${name} })`, `got ${String(size)}`, "Give a whole number above 0");
  }
}

/**
 * The sizes for a batch of so many rows. `limit` is the largest tensor in bytes, or null; `needsWhole` says what of the loss needs
 * whole rows, or null; `held`, how many buffers of a tile's size are held.
 */
export function tileSizes(
  batch: { readonly rows: number; readonly classes: number },
  { tileRows, tileColumns }: LinearTileOptions,
  limit: number | null,
  needsWhole: string | null,
  held: number = 2,
): TileSizes {
  const { classes } = batch;
  const most = limit === null ? Number.POSITIVE_INFINITY : Math.floor(limit / 4);
  const inBatch = (rows: number): number => Math.min(rows, Math.max(1, batch.rows));
  if (tileColumns !== undefined && tileColumns < classes) {
    if (needsWhole !== null) throw wholeRowsError("tileColumns", tileColumns, needsWhole, classes, most);
    const rows = inBatch(tileRows ?? Math.max(1, Math.min(rowsOf(tileColumns, held), Math.floor(most / tileColumns))));
    if (rows * tileColumns > most) throw tooLarge("tileColumns", rows, tileColumns, 4 * most, Math.floor(most / rows));
    return { rows, columns: tileColumns };
  }
  const rows = inBatch(tileRows ?? rowsOf(classes, held));
  if (rows * classes <= most) return { rows, columns: classes };
  if (needsWhole !== null) {
    const fitting = Math.floor(most / classes);
    if (tileRows === undefined && fitting > 0) return { rows: fitting, columns: classes };
    throw wholeRowsError("tileRows", rows, needsWhole, classes, most);
  }
  if (rows > most) throw tooLarge("tileRows", rows, 1, 4 * most, most);
  return { rows, columns: evenly(classes, Math.floor(most / rows)) };
}

function rowsOf(columns: number, held: number): number {
  const rows = Math.floor(Math.min(tileBytes, heldBytes / held) / (4 * columns));
  return Math.max(together, rows - (rows % together));
}

/** Of the fewest tiles that are no wider than `most`, the width that makes them alike. */
function evenly(classes: number, most: number): number {
  const width = Math.ceil(classes / Math.ceil(classes / most));
  const rounded = together * Math.ceil(width / together);
  return rounded <= most ? rounded : width;
}

/** What of a loss is computed of whole rows alone, in words; null where any loss of a tile of columns adds up. */
export function wholeRowNeed(plan: Plan): string | null {
  const kinds = [...ofKind(plan, "wholeRow").values()].map(({ of }) => of.kind);
  const needs = [
    ...(kinds.includes("entmax") ? ["entmax"] : []),
    ...(kinds.includes("topEntropy") ? ["the entropy of the highest logits"] : []),
  ];
  return needs.length === 0 ? null : needs.join(" and ");
}

function tooLarge(option: string, rows: number, columns: number, limit: number, largest: number): LossError {
  return new LossError(
    `compileLinear({ ${option} })`,
    `a tile of ${rows} rows and ${columns} columns takes ${4 * rows * columns} bytes, and the device binds ${limit} at most`,
    largest > 0 ? `Give ${option} of at most ${largest}` : "Give fewer rows, by tileRows",
  );
}

function wholeRowsError(option: string, given: number, need: string, classes: number, most: number): LossError {
  const largest = Math.floor(most / classes);
  const fits = largest === Number.POSITIVE_INFINITY ? "" : ` of at most ${largest}`;
  return new LossError(
    `compileLinear({ ${option} })`,
    `got ${given}, and the loss has ${need}, which needs whole rows of ${classes} logits`,
    largest === 0
      ? `Use a device that binds ${4 * classes} bytes, or another loss`
      : option === "tileRows"
        ? `Give tileRows${fits}`
        : `Leave tileColumns out, and give a smaller tileRows${fits}`,
  );
}
