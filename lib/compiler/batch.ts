/**
 * Reads a batch for a compiled loss: checks it, and lays labels, mask and sample weights out by rows. Where the host
 * can see the labels it names the row that is wrong; where looking would stall a GPU, a label out of range makes its
 * row NaN.
 */
import * as tf from "@tensorflow/tfjs";
import type { ValidRows } from "../kernels/rowStatistics.ts";
import {
  checkBatchOf,
  checkLabels,
  checkSampleWeights,
  checkSoftLabels,
  checkSoftShape,
  checkStep,
  checkTeacherShape,
  depthOf,
  flatten,
  isNumber,
  logitsShape,
  missingInput,
  missingTeacher,
  type Nested,
} from "../loss/batch.ts";
import type { Candidates } from "../loss/candidates.ts";
import { LossError } from "../loss/error.ts";
import { checkVocabulary } from "../loss/inventory.ts";
import {
  areIdsWithin,
  checkFloat32,
  checkTensor,
  describe,
  type Entry,
  type Reading,
  readLabels,
  readMask,
  readNumbers,
} from "./entries.ts";
import { readCandidates } from "./givenCandidates.ts";
import type { Plan } from "./plan.ts";

/** A typed array of integers, laid out flat in row-major order. */
export type IntegerArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/** What a batch may have for compiled losses of any input. */
export interface RowEntries {
  /** false marks a row that is not valid; [...]: a bool tensor, a Uint8Array of 0 and 1, or nested arrays. */
  readonly mask?: tf.Tensor | Uint8Array | Nested<boolean>;
  /** A weight of at least 0 for each row; [...]: a float32 tensor, a typed array, or nested arrays. */
  readonly sampleWeight?: tf.Tensor | Float32Array | Float64Array | Nested<number>;
  /** A number for each row, [...], under each name that the loss reads; constants to gradients. */
  readonly inputs?: Readonly<Record<string, tf.Tensor | Float32Array | Float64Array | Nested<number>>>;
  /** The number of the training step, 0 at the first; needed by a loss with a schedule. */
  readonly step?: number;
  /**
   * What each term's numerator is divided by, in place of what this batch alone would give: the sum of
   * `loss.denominators` over the micro-batches of one step.
   */
  readonly denominators?: tf.Tensor1D | readonly number[];
}

/** What a compiled loss over logits is called with. */
export interface Batch extends RowEntries {
  /** Logits [..., V], float32. */
  readonly logits: tf.Tensor;
  /**
   * Integer labels [...]: an int32 tensor, a typed array or nested arrays. Or soft labels [..., V], a weight for each
   * class: a float32 tensor, a float array or nested arrays.
   */
  readonly labels: tf.Tensor | IntegerArray | Float32Array | Float64Array | Nested<number>;
  /** A teacher's logits [..., V], for a loss that reads them: a float32 tensor, a float array or nested arrays. */
  readonly teacher?: tf.Tensor | Float32Array | Float64Array | Nested<number>;
  /**
   * Candidates [..., K], for a loss that reads them: ids for each row, and −1 for none; an id that is there twice counts once. An
   * int32 tensor, a typed array or nested arrays.
   */
  readonly candidates?: tf.Tensor | IntegerArray | Nested<number>;
}

/** What is known of rows from the whole of their sequences. */
export interface OfSequences {
  /** [N]: the place of each row in its sequence. */
  readonly positions: tf.Tensor1D;
  /** [N, K] each: the ids that are summed over. */
  readonly candidates: ReadonlyMap<Candidates, tf.Tensor2D>;
  /** [N] each, by key: what labels tell of a row. */
  readonly labelFacts: ReadonlyMap<string, tf.Tensor1D>;
}

/** A batch laid out by N rows. The tensors belong to the surrounding tidy. */
export interface Rows {
  readonly shape: number[];
  readonly count: number;
  /** V, or the D columns of values. */
  readonly classes: number;
  readonly step: number;
  /** [N], int32, within the vocabulary in every row; null where the labels are soft. */
  readonly labels: tf.Tensor1D | null;
  /** Soft labels [N, V], or the targets [N, D] of a loss over values; null where the labels are integers. */
  readonly targets: tf.Tensor2D | null;
  /** [N] each, by name. */
  readonly inputs: ReadonlyMap<string, tf.Tensor1D>;
  /** A teacher's logits [N, V]; null where the loss reads none. */
  readonly teacher: tf.Tensor2D | null;
  /** The batch's candidates [N, K], int32, as they came, K of 1 at least; null where the loss reads none. */
  readonly candidates: tf.Tensor2D | null;
  /** Null where every row is valid. */
  readonly valid: ValidRows | null;
  /** The valid rows whose sample weight is not 0: the logits of the others are not looked at. */
  readonly read: ValidRows | null;
  /** The sample weights, 0 in rows that are not valid; NaN where only the device knows that a label is no class. Null for 1. */
  readonly rowWeight: tf.Tensor1D | null;
  /** The same with 1 for the sample weight. */
  readonly validWeight: tf.Tensor1D | null;
  /** What the rows' sequences tell of them, where the rows are some of a batch's and do not show their sequences. */
  readonly ofSequences?: OfSequences;
}

/** What a batch is checked against. */
export type Facts = Pick<
  Plan,
  "fields" | "ignored" | "scheduled" | "teacher" | "inputs" | "beside" | "aggregates" | "columnNeeds"
> & {
  /** Whether labels, mask and weights are looked at on the host even where that waits for the device. */
  readonly look: boolean;
};

/** The rows and classes of a batch's logits; a LossError where they are no float32 tensor. */
function checkLogits(batch: Batch): ReturnType<typeof logitsShape> {
  if (typeof batch !== "object" || batch === null) {
    throw new LossError("batch", `got ${describe(batch)}`, "Give { logits, labels }");
  }
  checkBatchOf("logits", batch);
  const { logits } = batch;
  checkFloat32("logits", logits, "Give a tensor [..., V]; evaluate takes plain arrays");
  return logitsShape(logits.shape);
}

/** Whether a batch's labels are a weight for each class. Makes no tensor. */
export function hasSoftLabels(batch: Batch): boolean {
  const { rows, classes } = checkLogits(batch);
  return isSoft(batch.labels, rows, classes);
}

export function readBatch(plan: Facts, batch: Batch): Rows {
  const { rows, classes } = checkLogits(batch);
  checkVocabulary(plan.fields, classes);
  return readRows(plan, batch, rows, classes);
}

/**
 * A batch without its logits: the labels show its rows, and the fields or the soft labels its classes. Nested arrays are
 * integer labels here, whatever their depth; soft labels are a float32 tensor.
 */
export function readBatchWithoutLogits(plan: Facts, batch: Omit<Batch, "logits">): Rows {
  if (typeof batch !== "object" || batch === null)
    throw new LossError("batch", `got ${describe(batch)}`, "Give { labels }");
  if (batch.labels instanceof Float32Array || batch.labels instanceof Float64Array) {
    throw new LossError(
      "labels",
      "a float array does not show its classes without the logits",
      "Give soft labels as a tensor",
    );
  }
  const { labels } = batch;
  const shape =
    labels instanceof tf.Tensor
      ? labels.shape
      : ArrayBuffer.isView(labels)
        ? [labels.length]
        : flatten(labels ?? 0, "labels", isNumber, "integer labels").shape;
  if (labels instanceof tf.Tensor && labels.dtype === "float32") {
    const { rows, classes } = logitsShape(shape);
    checkVocabulary(plan.fields, classes);
    return readRows(plan, batch, rows, classes);
  }
  const ofTeacher = batch.teacher instanceof tf.Tensor ? batch.teacher.shape[shape.length] : undefined;
  const classes = plan.fields[0]?.source.values.length ?? ofTeacher ?? 2 ** 31;
  return readRows(plan, batch, shape, classes);
}

export function readRows(plan: Facts, batch: Omit<Batch, "logits">, shape: readonly number[], classes: number): Rows {
  const soft = isSoft(batch.labels, shape, classes);
  const reading: Reading = { shape, classes, look: plan.look };
  const entries = readEntries(plan, batch, reading, () => (soft ? null : readLabels(batch.labels, reading)));
  const targets = soft ? readTargets(batch.labels, shape, classes) : null;
  const teacher = plan.teacher ? readTeacher(batch.teacher, shape, classes) : null;
  if (!plan.beside.candidates.includes("given")) return { ...entries, targets, teacher, candidates: null };
  const { candidates, ...checked } = readCandidates(batch.candidates, reading, entries);
  return { ...entries, ...checked, targets, teacher, candidates };
}

/** What a batch has for each row, of any input. */
export function readEntries(
  plan: Facts,
  batch: RowEntries,
  reading: Reading,
  labelsOf: () => Entry | null,
): Omit<Rows, "targets" | "teacher" | "candidates"> {
  const { shape, classes } = reading;
  const count = shape.reduce((product, size) => product * size, 1);
  const step = checkStep(batch.step, plan.scheduled);
  const labels = labelsOf();
  const mask = batch.mask === undefined ? null : readMask(batch.mask, reading);
  const weights = batch.sampleWeight === undefined ? null : readNumbers("sampleWeight", batch.sampleWeight, reading);
  if (weights?.host) checkSampleWeights(weights.host, shape);
  const chosen =
    (labels === null || labels.host !== null) &&
    (mask === null || mask.host !== null) &&
    (weights === null || weights.host !== null)
      ? hostRows(plan, labels?.host ?? null, mask?.host ?? null, weights?.host ?? null, shape, count, classes)
      : deviceRows(plan, labels?.tensor() ?? null, mask?.tensor() ?? null, weights?.tensor() ?? null, classes);
  const inputs = new Map(plan.inputs.map((name) => [name, readInput(batch, name, { ...reading, look: false })]));
  return { shape: [...shape], count, classes, step, inputs, ...chosen };
}

function readInput({ inputs }: RowEntries, name: string, reading: Reading): tf.Tensor1D {
  const values = inputs?.[name];
  if (values === undefined) throw missingInput(name);
  return readNumbers(`inputs.${name}`, values, reading).tensor();
}

export function readTeacher(teacher: Batch["teacher"], shape: readonly number[], classes: number): tf.Tensor2D {
  if (teacher === undefined) throw missingTeacher();
  const count = shape.reduce((product, size) => product * size, 1);
  if (teacher instanceof tf.Tensor) {
    checkTensor("teacher", teacher, "Give a tensor that is not disposed");
    if (teacher.dtype !== "float32") {
      throw new LossError("teacher", `its logits have dtype ${teacher.dtype}`, "Give float32 logits");
    }
    checkTeacherShape(teacher.shape, shape, classes);
    return teacher.reshape([count, classes]);
  }
  if (teacher instanceof Float32Array || teacher instanceof Float64Array) {
    checkTeacherShape(teacher.length === count * classes ? [...shape, classes] : [teacher.length], shape, classes);
    return tf.tensor2d(Float32Array.from(teacher), [count, classes]);
  }
  const flat = flatten(teacher, "teacher", isNumber, "numbers");
  if (flat.values.length > 0 || !shape.includes(0)) checkTeacherShape(flat.shape, shape, classes);
  return tf.tensor2d(Float32Array.from(flat.values), [count, classes]);
}

type Chosen = Pick<Rows, "labels" | "valid" | "read" | "rowWeight" | "validWeight">;

function hostRows(
  plan: Facts,
  labels: ArrayLike<number> | null,
  mask: ArrayLike<number> | null,
  weights: ArrayLike<number> | null,
  shape: readonly number[],
  count: number,
  classes: number,
): Chosen {
  const { ignored } = plan;
  const every = mask === null && (labels === null || ignored.length === 0);
  const isValid = every
    ? (): boolean => true
    : (row: number): boolean =>
        (mask === null || mask[row] !== 0) && (labels === null || !ignored.includes(labels[row]));
  if (labels !== null) checkLabels(labels, classes, shape, isValid);
  const valid = every ? null : chosenRows(count, isValid);
  // An aggregate is over rows of weight 0 too.
  const all = plan.aggregates || weights === null;
  return {
    labels:
      labels === null
        ? null
        : tf.tensor1d(
            int32Of(count, (row) => (isValid(row) ? labels[row] : 0)),
            "int32",
          ),
    valid,
    read: all ? valid : chosenRows(count, (row) => isValid(row) && weights[row] !== 0),
    rowWeight: valid === null && weights === null ? null : tf.tensor1d(weightsOf(count, weights, isValid)),
    validWeight: valid === null ? null : tf.tensor1d(weightsOf(count, null, isValid)),
  };
}

// Plain loops: `from` with a function takes as long as the kernel where rows are short.

function int32Of(count: number, entry: (row: number) => number): Int32Array {
  const values = new Int32Array(count);
  for (let row = 0; row < count; row++) values[row] = entry(row);
  return values;
}

function weightsOf(count: number, weights: ArrayLike<number> | null, isValid: (row: number) => boolean): Float32Array {
  const values = new Float32Array(count);
  for (let row = 0; row < count; row++) values[row] = isValid(row) ? (weights?.[row] ?? 1) : 0;
  return values;
}

function chosenRows(count: number, isChosen: (row: number) => boolean): ValidRows | null {
  const chosen = new Uint8Array(count);
  for (let row = 0; row < count; row++) chosen[row] = isChosen(row) ? 1 : 0;
  if (!chosen.includes(0)) return null;
  const invalid = Int32Array.from(chosen.keys()).filter((row) => chosen[row] === 0);
  return { tensor: tf.tensor1d(chosen, "bool"), invalid };
}

function deviceRows(
  plan: Facts,
  labels: tf.Tensor1D | null,
  mask: tf.Tensor1D | null,
  weights: tf.Tensor1D | null,
  classes: number,
): Chosen {
  const all = (conditions: readonly tf.Tensor[]): ValidRows | null =>
    conditions.length === 0
      ? null
      : { tensor: conditions.reduce((a, b) => tf.logicalAnd(a, b)) as tf.Tensor1D, invalid: null };
  const int32 = (value: number): tf.Scalar => tf.scalar(value, "int32");
  const notIgnored = labels === null ? [] : plan.ignored.map((label) => tf.notEqual(labels, int32(label)));
  const conditions = [...(mask === null ? [] : [mask]), ...notIgnored];
  const valid = all(conditions);
  const read = all(weights === null || plan.aggregates ? conditions : [...conditions, tf.notEqual(weights, 0)]);
  if (labels === null) return { labels, valid, read, ...deviceWeights(valid, null, weights) };
  const inRange = areIdsWithin(labels, 0, classes);
  const outside = tf.logicalNot(inRange) as tf.Tensor1D;
  return {
    labels: tf.where(inRange, labels, tf.zerosLike(labels)) as tf.Tensor1D,
    valid,
    read,
    ...deviceWeights(valid, outside, weights),
  };
}

function deviceWeights(
  valid: ValidRows | null,
  outside: tf.Tensor1D | null,
  weights: tf.Tensor1D | null,
): Pick<Rows, "rowWeight" | "validWeight"> {
  const weigh = (weight: tf.Tensor1D | null): tf.Tensor1D | null => {
    const rows = outside ?? valid?.tensor;
    const shaped = weight ?? (rows === undefined ? null : tf.ones<tf.Rank.R1>(rows.shape));
    if (shaped === null) return null;
    const checked = outside === null ? shaped : tf.where(outside, tf.fill(shaped.shape, Number.NaN), shaped);
    return (valid === null ? checked : tf.where(valid.tensor, checked, tf.zerosLike(checked))) as tf.Tensor1D;
  };
  return { rowWeight: weigh(weights), validWeight: weigh(null) };
}

// ----------------------------------------------------------------------------------------------------- soft labels

/** Whether labels are a weight for each class: by their rank, or their length where they are a float array. */
export function isSoft(labels: Batch["labels"], shape: readonly number[], classes: number): boolean {
  if (labels instanceof tf.Tensor) return labels.rank === shape.length + 1;
  if (labels instanceof Float32Array || labels instanceof Float64Array) {
    return labels.length === shape.reduce((product, size) => product * size, classes);
  }
  return depthOf(labels) === shape.length + 1;
}

function readTargets(labels: Batch["labels"], shape: readonly number[], classes: number): tf.Tensor2D {
  const count = shape.reduce((product, size) => product * size, 1);
  if (labels instanceof tf.Tensor) {
    checkTensor("labels", labels, "Give a tensor that is not disposed");
    if (labels.dtype !== "float32") {
      throw new LossError(
        "labels",
        `they have dtype ${labels.dtype} and the rank of the logits`,
        "Give soft labels as float32, or integer labels [...]",
      );
    }
    checkSoftShape(labels.shape, shape, classes);
    return labels.reshape([count, classes]);
  }
  if (labels instanceof Float32Array || labels instanceof Float64Array) {
    return tf.tensor2d(Float32Array.from(checkSoftLabels(labels)), [count, classes]);
  }
  const flat = flatten(labels as Nested<number>, "labels", isNumber, "numbers");
  checkSoftShape(flat.shape, shape, classes);
  return tf.tensor2d(Float32Array.from(checkSoftLabels(flat.values)), [count, classes]);
}
