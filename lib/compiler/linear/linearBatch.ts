/** Reads a batch of the linear form: hidden states and an output layer in place of logits. */
import * as tf from "@tensorflow/tfjs";
import { missingTeacher } from "../../loss/batch.ts";
import { LossError } from "../../loss/error.ts";
import { checkVocabulary } from "../../loss/inventory.ts";
import {
  type Batch,
  type Facts,
  isSoft,
  type OfSequences,
  type RowEntries,
  type Rows,
  readEntries,
  readRows,
  readTeacher,
} from "../batch.ts";
import { checkTensor, describe } from "../entries.ts";
import type { Plan } from "../plan.ts";
import { positions } from "../positions.ts";
import { candidatesOf, labelFactsOf } from "../state.ts";
import { classesOf, type Head, type Wanted, widthsOf } from "./head.ts";
import { isSparse, readSparse, type SparseLabels, type SparseTargets } from "./sparseLabels.ts";

/** An output layer and what it is applied to. */
export interface LinearLayer {
  /** Hidden states [..., D], float32. */
  readonly hidden: tf.Tensor;
  /**
   * The kernel [D, V], or [V, D] for a loss compiled with `{ kernelShape: "[V, D]" }`; float32. Or pieces of it along D,
   * for a device that does not bind it whole.
   */
  readonly kernel: tf.Tensor | readonly tf.Tensor[];
  /** [V], float32; 0 without it. */
  readonly bias?: tf.Tensor;
}

/** A part of a layer that may get a gradient. */
export type LinearPart = "hidden" | "kernel" | "bias";

/** What a loss in its linear form is called with. */
export interface LinearBatch extends LinearLayer, RowEntries {
  /**
   * As for `compile`, integer [...] or soft [..., V]; or soft labels in a sparse form, which never exist as [N, V].
   */
  readonly labels: Batch["labels"] | SparseLabels;
  /** A teacher's logits [..., V], for a loss that reads them; or its own hidden states and output layer. */
  readonly teacher?: Batch["teacher"] | LinearLayer;
  /** As for `compile`: ids [..., K] for each row, for a loss that reads them. */
  readonly candidates?: NonNullable<Batch["candidates"]>;
  /** The parts that get no gradient. A variable that is not trainable is one in any case. */
  readonly frozen?: readonly LinearPart[];
}

/** Whether a batch shows its rows and classes by its layer; a LossError where nothing else does. */
export function hasLayer(batch: LinearBatch | Omit<Batch, "logits">): batch is LinearBatch {
  if (typeof batch !== "object" || batch === null || "hidden" in batch || "kernel" in batch) return true;
  const { labels, teacher } = batch;
  const unknown = isSparse(labels) ? "labels" : isLayer(teacher as LinearBatch["teacher"]) ? "teacher" : null;
  if (unknown === null) return false;
  throw new LossError(
    unknown,
    `${unknown === "labels" ? "sparse labels do" : "a teacher that is a layer does"} not show rows and classes without hidden states and kernel`,
    "Give { hidden, kernel } too",
  );
}

/** A batch of the linear form, laid out by N rows. */
export interface LinearRows {
  /** Without soft labels that are sparse, and without the logits of a teacher that is a layer. */
  readonly rows: Rows;
  readonly head: Head;
  readonly sparse: SparseTargets | null;
  readonly teacher: Head | null;
  /** What a block does not show of its rows' sequences. */
  readonly ofSequences: OfSequences;
}

/** Whether the kernel is [V, D]. */
export type KernelShape = "[D, V]" | "[V, D]";

/** Whether a batch's labels are soft, sparse or not. Checks the layer and makes no tensor. */
export function hasSoftLinearLabels(batch: LinearBatch, kernelShape: KernelShape): boolean {
  const { shape, classes } = checkLayer(batch, kernelShape, "");
  return isSparse(batch.labels) || isSoft(batch.labels, shape, classes);
}

export function readLinear(plan: Plan, look: boolean, batch: LinearBatch, kernelShape: KernelShape): LinearRows {
  const { shape, classes, head } = readLayer(batch, kernelShape, "");
  checkVocabulary(plan.fields, classes);
  const { teacher, labels } = batch;
  const ofLayer = plan.teacher && isLayer(teacher);
  if (plan.teacher && teacher === undefined) throw missingTeacher();
  const facts = { ...plan, look, teacher: plan.teacher && !ofLayer };
  const rows = isSparse(labels)
    ? readSparseRows(facts, batch, shape, classes)
    : readRows(facts, withoutLayer(batch, labels), shape, classes);
  return {
    rows,
    ofSequences: {
      positions: positions(rows),
      candidates: candidatesOf(plan, rows),
      labelFacts: labelFactsOf(plan, rows),
    },
    head,
    sparse: isSparse(labels) ? readSparse(labels, { shape, classes, look }, rows.valid) : null,
    teacher: ofLayer ? readTeacherLayer(teacher, kernelShape, shape, classes) : null,
  };
}

function readSparseRows(plan: Facts, batch: LinearBatch, shape: readonly number[], classes: number): Rows {
  const entries = readEntries(plan, batch, { shape, classes, look: plan.look }, () => null);
  const teacher = plan.teacher ? readTeacher(batch.teacher as Batch["teacher"], shape, classes) : null;
  return { ...entries, targets: null, teacher, candidates: null };
}

function withoutLayer({ teacher, ...batch }: LinearBatch, labels: Batch["labels"]): Omit<Batch, "logits"> {
  return teacher === undefined
    ? { ...batch, labels }
    : { ...batch, labels, teacher: teacher as NonNullable<Batch["teacher"]> };
}

function isLayer(teacher: LinearBatch["teacher"]): teacher is LinearLayer {
  return typeof teacher === "object" && teacher !== null && "hidden" in teacher && "kernel" in teacher;
}

function readTeacherLayer(
  teacher: LinearLayer,
  kernelShape: KernelShape,
  shape: readonly number[],
  classes: number,
): Head {
  const read = readLayer(teacher, kernelShape, "teacher.");
  if (read.shape.join() === shape.join() && read.classes === classes) return read.head;
  throw new LossError(
    "teacher",
    `its logits would be [${[...read.shape, read.classes].join(", ")}] beside [${[...shape, classes].join(", ")}]`,
    "Give a teacher of the same rows and classes",
  );
}

interface Layer {
  /** Of the rows. */
  readonly shape: readonly number[];
  readonly classes: number;
  readonly width: number;
}

function readLayer(layer: LinearLayer, kernelShape: KernelShape, prefix: string): Layer & { readonly head: Head } {
  const checked = checkLayer(layer, kernelShape, prefix);
  const rows = checked.shape.reduce((product, size) => product * size, 1);
  return {
    ...checked,
    head: {
      hidden: layer.hidden.reshape([rows, checked.width]),
      pieces: piecesOf(layer.kernel) as readonly tf.Tensor2D[],
      transposed: kernelShape === "[V, D]",
      bias: (layer.bias as tf.Tensor1D | undefined) ?? null,
    },
  };
}

export function piecesOf(kernel: LinearLayer["kernel"]): readonly tf.Tensor[] {
  return kernel instanceof tf.Tensor ? [kernel] : kernel;
}

function checkLayer(layer: LinearLayer, kernelShape: KernelShape, prefix: string): Layer {
  if (typeof layer !== "object" || layer === null)
    throw new LossError("batch", `got ${describe(layer)}`, "Give { hidden, kernel, labels }");
  const { hidden, kernel, bias } = layer;
  checkPart(`${prefix}hidden`, hidden, "Give hidden states [..., D]");
  if (hidden.rank === 0) throw new LossError(`${prefix}hidden`, "it is a single number", "Give hidden states [..., D]");
  const pieces = piecesOf(kernel);
  if (!Array.isArray(pieces) || pieces.length === 0)
    throw new LossError(`${prefix}kernel`, `got ${describe(kernel)}`, `Give a tensor ${kernelShape}`);
  for (const piece of pieces) {
    checkPart(`${prefix}kernel`, piece, `Give a tensor ${kernelShape}`);
    if (piece.rank !== 2)
      throw new LossError(`${prefix}kernel`, `it has shape ${shown(piece)}`, `Give a tensor ${kernelShape}`);
    checkBinding(`${prefix}kernel`, piece, kernelShape);
  }
  const described = { pieces: pieces as readonly tf.Tensor2D[], transposed: kernelShape === "[V, D]" };
  const classes = classesOf(described);
  const widths = widthsOf(described);
  const width = widths.reduce((sum, size) => sum + size, 0);
  const odd = described.pieces.find((piece) => classesOf({ ...described, pieces: [piece] }) !== classes);
  if (odd !== undefined) {
    throw new LossError(
      `${prefix}kernel`,
      `its pieces have shapes ${pieces.map(shown).join(" and ")}`,
      `Split it along D, so that all pieces have the same V: ${kernelShape}`,
    );
  }
  if (classes === 0) throw new LossError(`${prefix}kernel`, "it has no class", `Give a tensor ${kernelShape}`);
  const given = hidden.shape[hidden.rank - 1];
  if (given !== width) {
    const other = kernelShape === "[D, V]" ? "[V, D]" : "[D, V]";
    const swapped = described.pieces.length === 1 && given === classes;
    throw new LossError(
      `${prefix}hidden`,
      `its last axis has ${given} entries and the kernel ${pieces.map(shown).join(", ")} takes ${width}`,
      swapped
        ? `Compile the loss with { kernelShape: "${other}" }, or transpose the kernel`
        : `Give hidden states [..., D] and a kernel ${kernelShape} of the same D`,
    );
  }
  if (bias !== undefined) {
    checkPart(`${prefix}bias`, bias, "Give a tensor [V]");
    if (bias.rank !== 1 || bias.size !== classes)
      throw new LossError(
        `${prefix}bias`,
        `it has shape ${shown(bias)} beside ${classes} classes`,
        "Give a tensor [V]",
      );
  }
  return { shape: hidden.shape.slice(0, -1), classes, width };
}

/** A float32 tensor that is still there. */
function checkPart(where: string, x: unknown, remedy: string): asserts x is tf.Tensor {
  checkTensor(where, x, remedy);
  if (x.dtype !== "float32") throw new LossError(where, `it has dtype ${x.dtype}`, `${remedy}, float32`);
}

const shown = ({ shape }: tf.Tensor): string => `[${shape.join(", ")}]`;

interface Limited {
  readonly device?: {
    readonly limits: { readonly maxStorageBufferBindingSize: number; readonly maxBufferSize: number };
  };
}

/** A kernel that the device does not bind whole is refused, with the way to split it. */
function checkBinding(where: string, piece: tf.Tensor, kernelShape: KernelShape): void {
  if (tf.getBackend() !== "webgpu") return;
  const limits = (tf.backend() as unknown as Limited).device?.limits;
  if (limits === undefined) return;
  const largest = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  const bytes = 4 * piece.size;
  if (bytes <= largest) return;
  const axis = kernelShape === "[D, V]" ? 0 : 1;
  const width = piece.shape[axis] as number;
  const each = Math.floor((largest * width) / bytes);
  throw new LossError(
    where,
    `${shown(piece)} takes ${bytes} bytes, and the device binds ${largest} at most`,
    each > 0
      ? `Keep it in ${Math.ceil(width / each)} pieces along D of at most ${each} each and give them as a list: kernel: [first, second, …]`
      : "Use fewer classes",
  );
}

/** Which gradients a batch wants. */
export function wantedOf({ hidden, kernel, bias, frozen = [] }: LinearBatch): Wanted {
  if (!Array.isArray(frozen) || frozen.some((part) => !["hidden", "kernel", "bias"].includes(part))) {
    throw new LossError("frozen", `got ${JSON.stringify(frozen)}`, 'Give a list of "hidden", "kernel" and "bias"');
  }
  const trains = (x: tf.Tensor): boolean => !(x instanceof tf.Variable) || x.trainable;
  return {
    hidden: !frozen.includes("hidden") && trains(hidden),
    kernel: !frozen.includes("kernel") && piecesOf(kernel).some(trains),
    bias: bias !== undefined && !frozen.includes("bias") && trains(bias),
  };
}
