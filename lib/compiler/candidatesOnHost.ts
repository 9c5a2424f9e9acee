/** The arithmetic of `candidates.ts` on the host, in float64, over the candidates that there are. */
import * as tf from "@tensorflow/tfjs";
import type { Field } from "../loss/field.ts";
import { stepValue } from "../loss/schedule.ts";
import type { Rows } from "./batch.ts";
import type { CandidateAtom, CandidateExpression } from "./narrow.ts";
import { type RowInput, type RowLoop, rowLoop, scalarValue } from "./rowLoop.ts";

/** The candidates of rows, as the host has read them once for both directions. */
export class HostCandidates {
  readonly #ids: Int32Array;
  readonly #shape: readonly [number, number];
  /** Their logits in the view; null where the sum reads none. */
  readonly #z: Float32Array | null;
  /** The place of each row's pivot, −1 for none; null where none is left out. */
  readonly #pivots: Int32Array | null;
  #nll: Float32Array | null = null;
  /** Where the candidates are that are summed, row by row. */
  readonly places: Int32Array;
  /** How many of them there are up to the end of each row. */
  readonly ends: Int32Array;

  constructor(ids: tf.Tensor2D, shown: tf.Tensor2D | null) {
    this.#shape = ids.shape;
    this.#ids = ids.dataSync<"int32">() as Int32Array;
    this.#z = shown === null ? null : (shown.dataSync<"float32">() as Float32Array);
    this.#pivots = this.#z === null ? null : this.#findPivots(this.#z);
    const [count, each] = this.#shape;
    const places = new Int32Array(this.#ids.length);
    this.ends = new Int32Array(count);
    let next = 0;
    for (let row = 0; row < count; row++) {
      const pivot = this.#pivots?.[row] ?? -1;
      for (let i = row * each; i < (row + 1) * each; i++) {
        if (this.#ids[i] >= 0 && i !== pivot) places[next++] = i;
      }
      this.ends[row] = next;
    }
    this.places = places.slice(0, next);
  }

  #findPivots(z: Float32Array): Int32Array {
    const [count, each] = this.#shape;
    return Int32Array.from({ length: count }, (_, row) => {
      let highest = -1;
      for (let i = row * each; i < (row + 1) * each; i++) {
        if (this.#ids[i] >= 0 && (highest < 0 || z[i] > z[highest])) highest = i;
      }
      return highest;
    });
  }

  /** The highest of each row's candidates, or its label where it has none, [N]. */
  pivots(labels: tf.Tensor1D): tf.Tensor1D {
    const ids = Int32Array.from(labels.dataSync(), (label, row) => {
      const place = this.#pivots?.[row] ?? -1;
      return place < 0 ? label : this.#ids[place];
    });
    return tf.tensor1d(ids, "int32");
  }

  /** −log p = n + (x − z) of each that is summed, with n and x the pivot's. */
  nll(n: tf.Tensor1D): Float32Array {
    const [z, pivots] = [this.#z, this.#pivots];
    if (z === null || pivots === null) throw new Error("unreachable: a sum that reads logits has a view");
    if (this.#nll !== null) return this.#nll;
    const ofPivot = n.dataSync();
    const nll = new Float32Array(this.places.length);
    let i = 0;
    this.ends.forEach((end, row) => {
      const height = z[pivots[row]] + ofPivot[row];
      for (; i < end; i++) {
        const x = z[this.places[i]];
        nll[i] = x === Number.NEGATIVE_INFINITY ? Number.POSITIVE_INFINITY : height - x;
      }
    });
    this.#nll = nll;
    return nll;
  }

  /** A table's entries at each that is summed. */
  at(table: tf.Tensor1D): Float32Array {
    const entries = table.dataSync();
    return Float32Array.from(this.places, (i) => entries[this.#ids[i]]);
  }
}

/** What a sum over candidates reads. */
export interface HostReading {
  readonly candidates: HostCandidates;
  readonly rows: Rows;
  /** The pivots' −log p, [N]; null where the sum reads no logits. */
  readonly n: tf.Tensor1D | null;
  readonly table: (field: Field) => tf.Tensor1D;
}

/** The sum of an expression over the candidates that are not the pivot, [N]. */
export function sumsOnHost(body: CandidateExpression, reading: HostReading): tf.Tensor1D {
  const values = valuesOf(body, reading);
  let i = 0;
  const sums = Float32Array.from(reading.candidates.ends, (end) => {
    let sum = 0;
    for (; i < end; i++) sum += values[i];
    return sum;
  });
  return tf.tensor1d(sums);
}

/** Each row's factor times the expression at each of them, and 0 elsewhere, [N, K]. */
export function entriesOnHost(
  body: CandidateExpression,
  factors: tf.Tensor1D,
  shape: readonly [number, number],
  reading: HostReading,
): tf.Tensor2D {
  const { places, ends } = reading.candidates;
  const values = valuesOf(body, reading);
  const factorOf = factors.dataSync();
  const entries = new Float32Array(shape[0] * shape[1]);
  let i = 0;
  ends.forEach((end, row) => {
    for (; i < end; i++) entries[places[i]] = factorOf[row] * values[i];
  });
  return tf.tensor2d(entries, [...shape]);
}

const loops = new WeakMap<CandidateExpression, RowLoop<CandidateAtom>>();

function valuesOf(body: CandidateExpression, { candidates, rows, n, table }: HostReading): Float32Array {
  const loop = loops.get(body) ?? rowLoop([body]);
  loops.set(body, loop);
  const inputOf = (a: CandidateAtom): RowInput => {
    switch (a.kind) {
      case "step":
        return stepValue(a, rows.step);
      case "vocabularySize":
        return rows.classes;
      case "nll":
        return candidates.nll(n as tf.Tensor1D);
      case "weight":
        return candidates.at(table(a.field));
    }
  };
  const given = loop.atoms.map((a) =>
    a.kind === "scalar" ? scalarValue(a.e, (b) => inputOf(b) as number) : inputOf(a),
  );
  return loop.rows(given, candidates.places.length)[0];
}
