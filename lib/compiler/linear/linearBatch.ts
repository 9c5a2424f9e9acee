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
import type { Plan } from "../plan.ts";
import { positions } from "../positions.ts";
import { candidatesOf, labelFactsOf } from "../state.ts";
import type { Head, Wanted } from "./head.ts";
import { checkLayer, type KernelShape, type LinearLayer, type LinearPart, piecesOf, readLayer } from "./layer.ts";
import { isSparse, readSparse, type SparseLabels, type SparseTargets } from "./sparseLabels.ts";

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
