/**
 * Sums over the candidates of rows: arithmetic on [N, K], which is narrow beside the logits. The candidates' logits are gathered, and
 * what reaches them is added to the gradient of the logits where they are; no one-hot is made.
 *
 * The highest of a row's candidates, its pivot, is not among them: it may have nearly all of the row's probability, and is read by the
 * kernel as a label is, in a view of its own. Every other has at most a half, so that −log p = n + (x − z) keeps its digits, with n
 * and x the pivot's. Where the host reads tensors without waiting, its own loops do this (`candidatesOnHost.ts`).
 */
import * as tf from "@tensorflow/tfjs";
import { chooseKernel } from "../kernels/choose.ts";
import { entriesAt } from "../kernels/portable.ts";
import { rowSums } from "../kernels/sums.ts";
import { applyView, throughView, type WideView } from "../kernels/views.ts";
import { atom, constant, type Expression, interpreter, select } from "../loss/expression.ts";
import type { Field } from "../loss/field.ts";
import { stepValue } from "../loss/schedule.ts";
import type { Rows } from "./batch.ts";
import { entriesOnHost, HostCandidates, type HostReading, sumsOnHost } from "./candidatesOnHost.ts";
import { isHostBackend } from "./entries.ts";
import type { CandidateAtom, CandidateExpression } from "./narrow.ts";
import { rowDevice, rowProgram } from "./rowSource.ts";
import { tensorAlgebra } from "./tensorAlgebra.ts";

/** The candidates of rows in a view. */
export interface PivotRows {
  /** [N], int32: the pivot, or the row's label where it has no candidate. */
  readonly pivot: tf.Tensor1D;
  /** [N, K]: the candidates' logits as they came; some other where an id is −1. */
  readonly logits: tf.Tensor2D;
  /** Null where the host would have to wait for them. */
  readonly host: HostCandidates | null;
}

/** 1 for rows that have a candidate, else 0; [N]. */
export function hasCandidate(ids: tf.Tensor2D): tf.Tensor1D {
  if (ids.shape[0] === 0) return tf.tensor1d([], "float32");
  return tf.tidy(() => tf.cast(tf.greaterEqual(tf.max(tf.cast(ids, "float32"), 1), 0), "float32"));
}

/** The logits at some ids of each row, as they came, [N, K]. */
export function gatherLogits(logits: tf.Tensor2D, ids: tf.Tensor2D): tf.Tensor2D {
  return chooseKernel([], logits.shape[1]).kernel.entriesAt(logits, ids);
}

export function pivotRows(ids: tf.Tensor2D, view: WideView, gathered: tf.Tensor2D, rows: Rows): PivotRows {
  const labels = rows.labels as tf.Tensor1D;
  if (isHostBackend()) {
    // Out of any tidy, which would look for tensors among its numbers.
    const host = new HostCandidates(ids, applyView(viewAt(view, ids), gathered));
    return { pivot: host.pivots(labels), logits: gathered, host };
  }
  const pivot = tf.tidy(() => {
    const place = tf.argMax(heights(ids, view, gathered), 1) as tf.Tensor1D;
    const highest = entriesAt(ids, place.expandDims(1)).flatten();
    return tf.where(tf.greaterEqual(highest, tf.scalar(0, "int32")), highest, labels) as tf.Tensor1D;
  });
  return { pivot, logits: gathered, host: null };
}

/** The candidates' logits in the view, below all of them where there is none. */
function heights(ids: tf.Tensor2D, view: WideView, gathered: tf.Tensor2D): tf.Tensor2D {
  const shown = tf.maximum(applyView(viewAt(view, ids), gathered), -3.2e38);
  return tf.where(isThere(ids), shown, tf.fill(ids.shape, -3.3e38)) as tf.Tensor2D;
}

function isThere(ids: tf.Tensor2D): tf.Tensor {
  return tf.greaterEqual(ids, tf.scalar(0, "int32"));
}

/** A view with its bias at the ids. */
function viewAt(view: WideView, ids: tf.Tensor2D): WideView {
  if (typeof view.bias === "number") return view;
  return { ...view, bias: tableAt(view.bias, ids) as tf.Tensor as tf.Tensor1D };
}

function tableAt(table: tf.Tensor1D, ids: tf.Tensor2D): tf.Tensor2D {
  return tf.gather(table, tf.relu(ids)) as tf.Tensor as tf.Tensor2D;
}

/** What a sum over candidates reads of a batch. */
export interface CandidateReading {
  readonly ids: tf.Tensor2D;
  readonly rows: Rows;
  /** Null where the sum reads no logits: then no candidate is left out. */
  readonly viewed: {
    readonly view: WideView;
    readonly pivotRows: PivotRows;
    /** The pivot's −log p, [N]. */
    readonly n: tf.Tensor1D;
  } | null;
  readonly table: (field: Field) => tf.Tensor1D;
}

/** The sum of an expression over the candidates that are not the pivot, [N]. */
export function candidateSum(body: CandidateExpression, reading: CandidateReading): tf.Tensor1D {
  if (reading.rows.count === 0) return tf.tensor1d([], "float32");
  return tf.tidy(() =>
    isHostBackend() ? sumsOnHost(body, hostReading(reading)) : rowSums(candidateEntries(body, reading)),
  );
}

/** The gradient of Σ_i g_i Σ_k f_ik for the candidates' logits beside what comes through s, [N, K], given the slope of f. */
export function candidateGradient(slope: CandidateExpression, g: tf.Tensor1D, reading: CandidateReading): tf.Tensor2D {
  return tf.tidy(() => {
    const { ids, viewed } = reading;
    if (viewed === null) throw new Error("unreachable: a gradient of a sum that reads no logits");
    const factors = tf.neg(g);
    const reached = isHostBackend()
      ? entriesOnHost(slope, factors, ids.shape, hostReading(reading))
      : (tf.mul(factors.expandDims(1), candidateEntries(slope, reading)) as tf.Tensor2D);
    return throughView(viewAt(viewed.view, ids), viewed.pivotRows.logits, reached);
  });
}

/** The same as the host's own arithmetic reads it. */
function hostReading({ ids, rows, viewed, table }: CandidateReading): HostReading {
  const candidates = viewed?.pivotRows.host ?? new HostCandidates(ids, null);
  return { candidates, rows, n: viewed?.n ?? null, table };
}

// ------------------------------------------------------------------------------------------------------- on the device

type EntryAtom = CandidateAtom | { readonly kind: "isSummed" };

const expressions = new WeakMap<CandidateExpression, readonly [Expression<EntryAtom>]>();

/** An expression that is 0 at what is not summed, as a list, the same at each call, so that its program is made once. */
function whereSummed(body: CandidateExpression): readonly [Expression<EntryAtom>] {
  const isSummed: Expression<EntryAtom> = atom({ kind: "isSummed" });
  const known = expressions.get(body) ?? ([select(constant(0), isSummed, body, constant(0))] as const);
  expressions.set(body, known);
  return known;
}

/** The expression at each candidate, [N, K]; 0 at the pivot and where there is none. */
function candidateEntries(body: CandidateExpression, reading: CandidateReading): tf.Tensor2D {
  const { ids, rows, viewed, table } = reading;
  const isSummed = (): tf.Tensor => {
    const there = isThere(ids);
    const others =
      viewed === null ? there : tf.logicalAnd(there, tf.notEqual(ids, viewed.pivotRows.pivot.expandDims(1)));
    return tf.cast(others, "float32");
  };
  const meaning = (a: EntryAtom): number | tf.Tensor1D => {
    switch (a.kind) {
      case "step":
        return stepValue(a, rows.step);
      case "vocabularySize":
        return rows.classes;
      case "isSummed":
        return isSummed().flatten();
      case "nll":
        return nllOf(reading).flatten();
      case "weight":
        return tableAt(table(a.field), ids).flatten();
    }
  };
  const e = whereSummed(body);
  const device = rowDevice(rows.classes);
  const program = device === null ? null : rowProgram(e, meaning, device.language);
  if (device !== null && program !== null) return device.rows(program, ids.size).reshape(ids.shape);
  const value = interpreter(tensorAlgebra(meaning))(e[0]);
  return typeof value === "number" ? tf.fill(ids.shape, value) : value.reshape(ids.shape);
}

function nllOf({ ids, viewed }: CandidateReading): tf.Tensor2D {
  if (viewed === null) throw new Error("unreachable: a sum that reads logits has a view");
  const { view, pivotRows: candidates, n } = viewed;
  return tf.tidy(() => {
    const x = heights(ids, view, candidates.logits);
    const nll = tf.add(tf.sub(tf.max(x, 1, true), x), n.expandDims(1));
    // −∞ was raised to a finite height.
    return tf.where(tf.less(x, -3.1e38), tf.fill(ids.shape, Number.POSITIVE_INFINITY), nll) as tf.Tensor2D;
  });
}
