/** Blocks of rows: how many rows a block has, and what of a batch belongs to it. */
import * as tf from "@tensorflow/tfjs";
import { withoutInvalidRows } from "../../kernels/portable.ts";
import type { ValidRows } from "../../kernels/rowStatistics.ts";
import { LossError } from "../../loss/error.ts";
import type { OfSequences, Rows } from "../batch.ts";
import { mapEntries } from "../state.ts";
import { type Head, headLogits } from "./head.ts";
import type { LinearRows } from "./linearBatch.ts";
import { dense } from "./sparseLabels.ts";

/** Bytes of a block of logits, at most. */
const blockBytes = 2 ** 23;
/** Bytes of all buffers of a block's size, about. */
const heldBytes = 2 ** 25;
/** Rows of a block are a multiple of it: products work on so many at a time. */
const rowsTogether = 4;

/** The rows of a block, by what one row of logits takes and how many buffers of a block's size are held. */
export function rowsOfTile(classes: number, chosen: number | undefined, held: number): number {
  if (chosen !== undefined) return chosen;
  const rows = Math.floor(Math.min(blockBytes, heldBytes / held) / (4 * classes));
  return Math.max(rowsTogether, rows - (rows % rowsTogether));
}

/** Throws where a number of rows for a block is none. */
export function checkTileRows(rows: unknown): void {
  if (rows === undefined || (Number.isInteger(rows) && (rows as number) > 0)) return;
  throw new LossError("compileLinear({ tileRows })", `got ${String(rows)}`, "Give a whole number above 0");
}

/** The rows of a batch whose logits are looked at, in blocks. */
export interface Tiles {
  /** The rows of each block; null where one block is the whole batch as it is. */
  readonly blocks: readonly (Int32Array | null)[];
  /** For each row of the batch its place among the blocks' rows, or their number; null where no row is left out. */
  readonly places: Int32Array | null;
}

/** Rows that are not read are left out where the host knows them. */
export function tilesOf({ count, read }: Rows, rowsOfBlock: number): Tiles {
  const invalid = new Set(read?.invalid ?? []);
  const kept = Int32Array.from({ length: count }, (_, row) => row).filter((row) => !invalid.has(row));
  if (invalid.size === 0 && count > 0 && count <= rowsOfBlock) return { blocks: [null], places: null };
  const blocks = Array.from({ length: Math.ceil(kept.length / rowsOfBlock) }, (_, i) =>
    kept.subarray(i * rowsOfBlock, (i + 1) * rowsOfBlock),
  );
  if (invalid.size === 0) return { blocks, places: null };
  const places = new Int32Array(count).fill(kept.length);
  kept.forEach((row, place) => {
    places[row] = place;
  });
  return { blocks, places };
}

/** A block of a batch. */
export interface Tile {
  readonly rows: Rows;
  /** [R, D]. */
  readonly hidden: tf.Tensor2D;
}

/** A block of a batch; the tensors belong to the surrounding tidy. */
export function tileOf(whole: LinearRows, block: Int32Array | null): Tile {
  const rows = rowsOf(whole, block);
  // The gradient of such a row is 0, and 0 times what is not finite would be NaN in the kernel's.
  return { rows, hidden: withoutInvalidRows(takeOf(block)(whole.head.hidden), rows.read) };
}

/** What a batch has for a block's rows, with its soft labels and its teacher's logits as [R, V]. */
export function rowsOf(whole: LinearRows, block: Int32Array | null): Rows {
  const { rows, sparse, teacher, ofSequences } = whole;
  const some = takeOf(block);
  const logits = (of: Head): tf.Tensor2D => headLogits(of, some(of.hidden));
  const targets =
    sparse === null
      ? maybe(rows.targets, some)
      : dense({ ids: some(sparse.ids), probabilities: some(sparse.probabilities) }, rows.classes);
  return {
    shape: block === null ? rows.shape : [block.length],
    count: block?.length ?? rows.count,
    classes: rows.classes,
    step: rows.step,
    labels: maybe(rows.labels, some),
    targets,
    inputs: new Map([...rows.inputs].map(([name, values]) => [name, some(values)])),
    teacher: teacher === null ? maybe(rows.teacher, some) : logits(teacher),
    valid: validOf(rows.valid, block, some),
    read: validOf(rows.read, block, some),
    rowWeight: maybe(rows.rowWeight, some),
    validWeight: maybe(rows.validWeight, some),
    candidates: maybe(rows.candidates, some),
    ...(block === null ? {} : { ofSequences: ofSequencesOf(ofSequences, some) }),
  };
}

type Take = <T extends tf.Tensor>(x: T) => T;

/** Takes a block's rows out of a tensor. */
function takeOf(block: Int32Array | null): Take {
  if (block === null) return (x) => x;
  const ids = tf.tensor1d(block, "int32");
  return <T extends tf.Tensor>(x: T): T =>
    // A gather of nothing has another shape on wasm.
    (ids.size === 0 ? tf.zeros([0, ...x.shape.slice(1)], x.dtype) : tf.gather(x, ids)) as T;
}

function maybe<T extends tf.Tensor>(x: T | null, f: (x: T) => T): T | null {
  return x === null ? null : f(x);
}

function validOf(valid: ValidRows | null, block: Int32Array | null, some: Take): ValidRows | null {
  if (valid === null || block === null) return valid;
  const { invalid } = valid;
  if (invalid === null) return { tensor: some(valid.tensor), invalid };
  const known = new Set(invalid);
  const within = Int32Array.from(block.keys()).filter((row) => known.has(block[row]));
  return within.length === 0 ? null : { tensor: some(valid.tensor), invalid: within };
}

function ofSequencesOf({ positions, candidates, labelFacts }: OfSequences, some: Take): OfSequences {
  return {
    positions: some(positions),
    candidates: new Map([...candidates].map(([source, ids]) => [source, some(ids)])),
    labelFacts: mapEntries(labelFacts, (fact) => some(fact)),
  };
}

/** What was computed for the blocks' rows, [..., R] each, as one number for each row of the batch; 0 for those left out. */
export function joined({ places }: Tiles, parts: readonly tf.Tensor[], width?: number): tf.Tensor {
  const empty = (rows: number): tf.Tensor => tf.zeros(width === undefined ? [rows] : [rows, width]);
  if (places === null)
    return parts.length === 0 ? empty(0) : parts.length === 1 ? tf.clone(parts[0]) : tf.concat([...parts]);
  const padded = tf.concat([...parts, empty(1)]);
  return tf.gather(padded, tf.tensor1d(places, "int32"));
}
