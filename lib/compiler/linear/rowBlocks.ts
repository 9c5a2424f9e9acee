/** Blocks of rows: which rows of a batch a block has, and what of the batch belongs to them. */
import * as tf from "@tensorflow/tfjs";
import { withoutInvalidRows } from "../../kernels/portable.ts";
import type { ValidRows } from "../../kernels/rowStatistics.ts";
import type { OfSequences, Rows } from "../batch.ts";
import { mapEntries } from "../state.ts";
import type { Columns } from "./columnTiles.ts";
import { withoutEmptyRows } from "./emptyTiles.ts";
import { headColumns, headLogits } from "./head.ts";
import type { LinearRows } from "./linearBatch.ts";
import { dense, sparseColumns } from "./sparseLabels.ts";

/** The rows of a batch whose logits are looked at, in blocks. */
export interface RowBlocks {
  /** The rows of each block; null where one block is the whole batch as it is. */
  readonly blocks: readonly (Int32Array | null)[];
  /** For each row of the batch its place among the blocks' rows, or their number; null where no row is left out. */
  readonly places: Int32Array | null;
}

/** Rows that are not read are left out where the host knows them. */
export function rowBlocks({ count, read }: Rows, rowsOfBlock: number): RowBlocks {
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

/** The rows of a block. The tensors belong to the surrounding tidy. */
export interface BlockRows {
  /** Without soft labels and a teacher's logits. */
  readonly rows: Rows;
  /** [R, D]. */
  readonly hidden: tf.Tensor2D;
  /** What is as wide as the vocabulary: as [R, V], or the columns of a tile alone. */
  readonly wide: (columns: Columns | null) => Pick<Rows, "targets" | "teacher">;
}

export function rowsOfBlock(whole: LinearRows, block: Int32Array | null): BlockRows {
  const { rows, head, sparse, teacher, ofSequences } = whole;
  const ids = block === null ? null : tf.tensor1d(block, "int32");
  const some = <T extends tf.Tensor>(x: T): T => {
    if (ids === null) return x;
    // A gather of nothing has another shape on wasm.
    return (ids.size === 0 ? tf.zeros([0, ...x.shape.slice(1)], x.dtype) : tf.gather(x, ids)) as T;
  };
  const targets = sparse === null ? null : { ids: some(sparse.ids), probabilities: some(sparse.probabilities) };
  const ofTeacher = teacher === null ? null : some(teacher.hidden);
  const read = validOf(rows.read, block, some);
  return {
    // The gradient of a row that is not read is 0, and 0 times what is not finite would be NaN in the kernel's.
    hidden: withoutInvalidRows(some(head.hidden), read),
    rows: {
      shape: ids === null ? rows.shape : [ids.size],
      count: ids?.size ?? rows.count,
      classes: rows.classes,
      step: rows.step,
      labels: maybe(rows.labels, some),
      targets: null,
      inputs: new Map([...rows.inputs].map(([name, values]) => [name, some(values)])),
      teacher: null,
      valid: validOf(rows.valid, block, some),
      read,
      rowWeight: maybe(rows.rowWeight, some),
      validWeight: maybe(rows.validWeight, some),
      candidates: maybe(rows.candidates, some),
      ...(block === null ? {} : { ofSequences: ofSequencesOf(ofSequences, some) }),
    },
    wide: (columns) => ({
      targets:
        targets === null
          ? maybe(rows.targets, (q) => (columns === null ? some(q) : someColumns(q, block, columns)))
          : columns === null
            ? dense(targets, rows.classes)
            : dense(sparseColumns(targets, columns), columns.size),
      teacher:
        teacher === null || ofTeacher === null
          ? maybe(rows.teacher, (logits) =>
              columns === null ? some(logits) : withoutEmptyRows(someColumns(logits, block, columns)),
            )
          : headLogits(columns === null ? teacher : headColumns(teacher, columns), ofTeacher),
    }),
  };
}

/** Some columns of some rows of x [N, V], without whole rows of them on the way. */
function someColumns(x: tf.Tensor2D, rows: Int32Array | null, columns: Columns): tf.Tensor2D {
  const range = (first: number, count: number): tf.Tensor2D =>
    tf.slice(x, [first, columns.start], [count, columns.size]);
  if (rows === null) return range(0, x.shape[0]);
  const [first, span] = [rows[0], rows[rows.length - 1] - rows[0] + 1];
  if (span === rows.length) return range(first, span);
  return tf.tidy(() => {
    if (span <= 2 * rows.length)
      return tf.gather(
        range(first, span),
        tf.tensor1d(
          rows.map((row) => row - first),
          "int32",
        ),
      );
    const half = Math.ceil(rows.length / 2);
    return tf.concat([someColumns(x, rows.subarray(0, half), columns), someColumns(x, rows.subarray(half), columns)]);
  });
}

function maybe<T extends tf.Tensor>(x: T | null, f: (x: T) => T): T | null {
  return x === null ? null : f(x);
}

function validOf(
  valid: ValidRows | null,
  block: Int32Array | null,
  some: <T extends tf.Tensor>(x: T) => T,
): ValidRows | null {
  if (valid === null || block === null) return valid;
  const { invalid } = valid;
  if (invalid === null) return { tensor: some(valid.tensor), invalid };
  const known = new Set(invalid);
  const within = Int32Array.from(block.keys()).filter((row) => known.has(block[row]));
  return within.length === 0 ? null : { tensor: some(valid.tensor), invalid: within };
}

function ofSequencesOf(
  { positions, candidates, labelFacts }: OfSequences,
  some: <T extends tf.Tensor>(x: T) => T,
): OfSequences {
  return {
    positions: some(positions),
    candidates: new Map([...candidates].map(([source, ids]) => [source, some(ids)])),
    labelFacts: mapEntries(labelFacts, (fact) => some(fact)),
  };
}

/** What was computed for the blocks' rows, [..., R] each, as one number for each row of the batch; 0 for those left out. */
export function joined({ places }: RowBlocks, parts: readonly tf.Tensor[], width?: number): tf.Tensor {
  const empty = (rows: number): tf.Tensor => tf.zeros(width === undefined ? [rows] : [rows, width]);
  if (places === null)
    return parts.length === 0 ? empty(0) : parts.length === 1 ? tf.clone(parts[0]) : tf.concat([...parts]);
  const padded = tf.concat([...parts, empty(1)]);
  return tf.gather(padded, tf.tensor1d(places, "int32"));
}
