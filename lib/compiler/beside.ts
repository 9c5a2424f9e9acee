/**
 * The ids that stand beside a row's label: its candidates as ids [N, K], and what labels alone tell of a row. Where the host
 * reads tensors without waiting it looks for them; elsewhere ordinary ops do, so that nothing waits for the device.
 */
import * as tf from "@tensorflow/tfjs";
import { type Candidates, type LabelFact, repeatsOf, type Sequences, visitEarlierLabels } from "../loss/candidates.ts";
import type { Rows } from "./batch.ts";
import { isHostBackend } from "./entries.ts";
import { sequenceLength } from "./positions.ts";

/**
 * [N, K], int32: the candidates of each row but its label, each once, and −1 for none. A row that is not read has none. K is 1 at
 * least.
 */
export function candidateIds(candidates: Candidates, rows: Rows): tf.Tensor2D {
  if (rows.count === 0) return tf.zeros([0, 1], "int32");
  return tf.tidy(() => {
    if (candidates === "earlierLabels") return isHostBackend() ? earlierOnHost(rows) : earlierOnDevice(rows);
    return isHostBackend() ? givenOnHost(rows) : givenOnDevice(rows);
  });
}

/** 0 or 1 for each row, [N]. */
export function labelFactOf(fact: LabelFact, rows: Rows): tf.Tensor1D {
  if (rows.count === 0) return tf.tensor1d([], "float32");
  return tf.tidy(() => {
    if (fact.kind === "inRepeat") {
      return isHostBackend()
        ? tf.tensor1d(repeatsOf(sequencesOf(rows), fact.length))
        : repeatsOnDevice(rows, fact.length);
    }
    if (fact.candidates === "given") return labelIsGiven(rows);
    if (!isHostBackend()) return anyOf(earlierPairs(rows).same).flatten();
    const known = new Float32Array(rows.count);
    visitEarlierLabels(sequencesOf(rows), (row, _, isCandidate) => {
      known[row] = Number(isCandidate);
    });
    return tf.tensor1d(known);
  });
}

// --------------------------------------------------------------------------------------------------------- on the host

function sequencesOf(rows: Rows): Sequences {
  const { labels, validWeight } = rows;
  const valid = validWeight?.dataSync();
  return {
    labels: (labels as tf.Tensor1D).dataSync(),
    isValid: (row) => valid === undefined || valid[row] === 1,
    length: sequenceLength(rows),
  };
}

function isReadOf({ read }: Rows): (row: number) => boolean {
  const known = read?.tensor.dataSync();
  return (row) => known === undefined || known[row] !== 0;
}

function earlierOnHost(rows: Rows): tf.Tensor2D {
  const sequences = sequencesOf(rows);
  const isRead = isReadOf(rows);
  const visitRead = (visit: (row: number, earlier: readonly number[], isCandidate: boolean) => void): void => {
    visitEarlierLabels(sequences, (row, earlier, isCandidate) => {
      if (isRead(row)) visit(row, earlier, isCandidate);
    });
  };
  let each = 1;
  visitRead((_, earlier, isCandidate) => {
    each = Math.max(each, earlier.length - Number(isCandidate));
  });
  const ids = new Int32Array(rows.count * each).fill(-1);
  visitRead((row, earlier) => {
    let place = row * each;
    for (const id of earlier) if (id !== sequences.labels[row]) ids[place++] = id;
  });
  return tf.tensor2d(ids, [rows.count, each], "int32");
}

function givenOnHost(rows: Rows): tf.Tensor2D {
  const given = rows.candidates as tf.Tensor2D;
  const labels = (rows.labels as tf.Tensor1D).dataSync();
  const isRead = isReadOf(rows);
  const [count, each] = given.shape;
  const ids = Int32Array.from(given.dataSync());
  for (let row = 0; row < count; row++) {
    const seen = new Set<number>([labels[row]]);
    for (let i = row * each; i < (row + 1) * each; i++) {
      if (!isRead(row) || seen.has(ids[i])) ids[i] = -1;
      else seen.add(ids[i]);
    }
  }
  return tf.tensor2d(ids, [count, each], "int32");
}

// ------------------------------------------------------------------------------------------------------- on the device

/** Conditions are numbers, 0 or 1: ops on them are right on every backend. */
function asNumber(condition: tf.Tensor): tf.Tensor {
  return tf.cast(condition, "float32");
}

/** Where any of the last axis is 1. */
function anyOf(x: tf.Tensor): tf.Tensor {
  return asNumber(tf.greater(tf.sum(x, -1), 0));
}

/** `x` where a condition is 1, and −1 where it is 0. */
function orNone(x: tf.Tensor, condition: tf.Tensor): tf.Tensor {
  return tf.sub(tf.mul(condition, tf.add(x, 1)), 1);
}

function asIds(x: tf.Tensor, count: number): tf.Tensor2D {
  return tf.cast(x.reshape([count, x.size / count]), "int32");
}

/** The valid rows whose label is a class: 1 or 0, [N]. */
function isLabelled({ count, validWeight }: Rows): tf.Tensor1D {
  return validWeight === null ? tf.ones([count]) : (asNumber(tf.equal(validWeight, 1)) as tf.Tensor1D);
}

function isReadOnDevice({ count, read }: Rows): tf.Tensor1D {
  return read === null ? tf.ones([count]) : (asNumber(read.tensor) as tf.Tensor1D);
}

/** The rows of sequences [B, L] beside each other: the labels, and where an earlier valid row has the same, [B, L, L]. */
function earlierPairs(rows: Rows): {
  readonly labels: tf.Tensor;
  readonly isLabelled: tf.Tensor;
  readonly isEarlier: tf.Tensor;
  readonly same: tf.Tensor;
} {
  const length = sequenceLength(rows);
  const inSequences = (x: tf.Tensor): tf.Tensor => x.reshape([-1, length]);
  const labels = inSequences(asNumber(rows.labels as tf.Tensor1D));
  const labelled = inSequences(isLabelled(rows));
  const place = tf.range(0, length, 1, "float32");
  const isEarlier = asNumber(tf.less(place.expandDims(0), place.expandDims(1)));
  const counts = tf.mul(isEarlier.expandDims(0), labelled.expandDims(1));
  const same = tf.mul(asNumber(tf.equal(labels.expandDims(2), labels.expandDims(1))), counts);
  return { labels, isLabelled: labelled, isEarlier, same };
}

function earlierOnDevice(rows: Rows): tf.Tensor2D {
  const { labels, isLabelled: labelled, isEarlier, same } = earlierPairs(rows);
  // A label is a candidate from where it stands first.
  const isFirst = tf.mul(labelled, tf.sub(1, anyOf(same)));
  const isRead = isReadOnDevice(rows).reshape([...labels.shape, 1]);
  const isCandidate = tf.mul(tf.mul(isEarlier.expandDims(0), isFirst.expandDims(1)), tf.mul(isRead, tf.sub(1, same)));
  return asIds(orNone(labels.expandDims(1), isCandidate), rows.count);
}

/** The batch's candidates as numbers, with −1 for what is no class. */
function givenNumbers({ candidates, classes }: Rows): tf.Tensor2D {
  const given = asNumber(candidates as tf.Tensor2D);
  return orNone(given, asNumber(tf.less(given, classes))) as tf.Tensor2D;
}

function givenOnDevice(rows: Rows): tf.Tensor2D {
  const given = givenNumbers(rows);
  const [count, each] = given.shape;
  const labels = asNumber(rows.labels as tf.Tensor1D).expandDims(1);
  let isOnce: tf.Tensor = tf.mul(isReadOnDevice(rows).expandDims(1), asNumber(tf.notEqual(given, labels)));
  for (let distance = 1; distance < each; distance++) {
    const before = tf.slice(given, [0, 0], [count, each - distance]);
    const after = tf.slice(given, [0, distance], [count, each - distance]);
    const differs = asNumber(tf.notEqual(before, after)) as tf.Tensor2D;
    isOnce = tf.mul(
      isOnce,
      tf.pad(
        differs,
        [
          [0, 0],
          [distance, 0],
        ],
        1,
      ),
    );
  }
  return asIds(orNone(given, isOnce), count);
}

function labelIsGiven(rows: Rows): tf.Tensor1D {
  const labels = asNumber(rows.labels as tf.Tensor1D);
  const isThere = anyOf(asNumber(tf.equal(givenNumbers(rows), labels.expandDims(1))));
  return tf.mul(isThere, isLabelled(rows)) as tf.Tensor1D;
}

function repeatsOnDevice(rows: Rows, ofLength: number): tf.Tensor1D {
  const length = sequenceLength(rows);
  const starts = length - ofLength + 1;
  if (starts < 2) return tf.zeros([rows.count]);
  const { isLabelled: labelled, same } = earlierPairs(rows);
  // A row whose own label is none is part of no repeat.
  const pairs = tf.mul(same, labelled.expandDims(2)) as tf.Tensor3D;
  const batch = pairs.shape[0];
  let isRepeat: tf.Tensor = tf.slice(pairs, [0, 0, 0], [batch, starts, starts]);
  for (let d = 1; d < ofLength; d++) {
    isRepeat = tf.mul(isRepeat, tf.slice(pairs, [0, d, d], [batch, starts, starts]));
  }
  const begins = anyOf(isRepeat) as tf.Tensor2D;
  let covered: tf.Tensor = tf.zeros([batch, length]);
  for (let d = 0; d < ofLength; d++)
    covered = tf.add(
      covered,
      tf.pad(begins, [
        [0, 0],
        [d, ofLength - 1 - d],
      ]),
    );
  return asNumber(tf.greater(covered, 0)).flatten();
}
