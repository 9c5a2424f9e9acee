/** The statistics of the rows. */
import { dot, sumOfWeights, totalWeight } from "./dots";
import { hasNaN, highestEntry, positionOf } from "./highest";
import { exponential, log1pOfUnit, logarithm } from "./scalar";
import { dotSum, ENTRIES, ENTRIES_BY_TABLE, highest, NOTHING, sum, sumRow, weightedSum } from "./sums";
import { isMeanOfLikely } from "./state";
import { forwardTeacher } from "./teacher";
import {
  chooseReference,
  entryAt,
  isWarped,
  originOf,
  referenceNumber,
  referencePosition,
  referTo,
  valueAt,
  writeEntries,
} from "./view";
import { beginRow, weightsOf } from "./weights";
import {
  BY_TABLE,
  CLASSES,
  DOT_SIZE,
  DOTS,
  E,
  endOfView,
  FIRST_DOT,
  FIRST_VIEW,
  isCrossEntropy,
  labelOf,
  LOGITS,
  M,
  N,
  OTHERS,
  output,
  pointer,
  R,
  ROWS,
  S,
  SCALE,
  STATE,
  STATE_SIZE,
  scratchRow,
  T,
  TABLE,
  TEACHER,
  VALID,
  VALUE,
  VIEWS,
  WEIGHTING,
  weightAt,
} from "./words";

export function forwardRows(block: usize): void {
  const rows = load<i32>(block + ROWS);
  const valid = pointer(block, VALID);
  knownTable = 0;
  for (let row = 0; row < rows; row++) {
    if (valid != 0 && load<u8>(valid + row) == 0) writeAll(block, row, 0);
    else forwardRow(block, row);
  }
}

function forwardRow(block: usize, row: i32): void {
  const length = (<usize>load<i32>(block + CLASSES)) << 2;
  const logits = pointer(block, LOGITS) + <usize>row * length;
  beginRow();
  if (pointer(block, TEACHER) != 0) forwardTeacher(block, row, length);
  const views = load<i32>(block + VIEWS);
  let view = block + FIRST_VIEW;
  for (let index = 0; index < views; index++) {
    forwardView(block, view, row, logits, length);
    view = endOfView(view);
  }
}

function forwardView(block: usize, view: usize, row: i32, logits: usize, length: usize): void {
  const hasExponentials =
    (pointer(view, S) | pointer(view, N) | pointer(view, R) | pointer(view, E)) != 0 || hasCrossEntropy(view);
  const warped = isWarped(view);
  const label = labelOf(view, row);
  let excluded = label;
  let values = logits;
  let scale = load<f32>(view + SCALE);
  if (warped) {
    values = scratchRow(block, 0);
    scale = 1;
    chooseReference(view, logits, logits + length, excluded, values);
    writeEntries(view, logits, logits + length, values);
    if (excluded < 0) excluded = referencePosition;
  }
  const end = values + length;
  // Without labels the highest entry is the one that is left out: log(1 + the others) keeps the digits of a small s.
  if (excluded < 0) excluded = max(0, positionOf(highestEntry(values, end), values, end));

  // The others: the entry that is left out is −∞ for as long as they are summed.
  const hole = values + ((<usize>excluded) << 2);
  const saved = load<f32>(hole);
  store<f32>(hole, -Infinity);
  let logOthers: f64 = 0;
  let highestOther: f32;
  // The dot that is summed in the same read; 0 for none.
  const dotted: usize = hasExponentials ? dotByTable(view) : 0;
  let ownWeight: f64 = 0;
  let otherWeights: f64 = 0;
  if (hasExponentials) {
    const table: usize = dotted == 0 ? 0 : pointer(dotted, TABLE);
    if (dotted != 0) {
      ownWeight = table == 0 ? 1 : <f64>load<f32>(table + ((<usize>excluded) << 2));
      otherWeights = totalOfTable(length, table) - ownWeight;
    }
    const multiplied = dotted == 0 ? NOTHING : table == 0 ? ENTRIES : ENTRIES_BY_TABLE;
    sumRow(values, end, scale, pointer(view, E) != 0, multiplied, table, hole, otherWeights);
    highestOther = highest;
    logOthers = logarithm(sum);
  } else {
    highestOther = highestEntry(values, end);
    if (hasNaN(values, end)) logOthers = NaN;
  }
  store<f32>(hole, saved);

  if (!warped) referTo(view, highestOther);
  const top = warped || highestOther == -Infinity ? <f64>highestOther : 0;
  if (warped && logOthers > -Infinity) logOthers += top;
  const entry = entryAt(view, logits, excluded);
  const m = max(top, entry);
  const state = pointer(view, STATE) + <usize>row * STATE_SIZE;
  store<f32>(state, referenceNumber(view));
  store<i32>(state, label < 0 ? excluded : referencePosition, 4);
  if (!(m > -Infinity && m < Infinity && highestOther < Infinity && logOthers < Infinity)) {
    store<f32>(state, NaN, 8);
    writeView(view, row, NaN);
    return;
  }
  store<f32>(state, <f32>logOthers, 8);

  const t = entry - m;
  // The origin is near the others: a label far above them is not found again from there.
  output(view, M, row, entry > top ? valueAt(view, logits, excluded) : originOf(view) + top);
  output(view, T, row, t);
  let logSum: f64 = 0;
  if (hasExponentials) {
    // n = log(1 + e^u) and s = log(e^entry + e^logOthers) − m with u = logOthers − entry, and 1 − p_y = 1 / (1 + e^−u).
    const u = logOthers - entry;
    const small = exponential(-abs(u));
    const rest = log1pOfUnit(small);
    output(view, R, row, logOthers - m);
    output(view, N, row, max(u, 0) + rest);
    // In this order: where the entry is the highest, s is the rest to all its digits.
    logSum = max(logOthers, entry) - m + rest;
    output(view, S, row, logSum);
    if (pointer(view, E) != 0) {
      const probability = (u > 0 ? small : 1) / (1 + small);
      const others = (u > 0 ? 1 : small) / (1 + small);
      let mean: f64 = 0;
      if (probability > 0) mean += probability * t;
      if (others > 0) mean += others * (weightedSum / sum + top - m);
      // Both are at least 0.
      output(view, E, row, logSum - mean);
      store<f32>(state, <f32>(isMeanOfLikely(entry, <f64><f32>logOthers) ? mean : mean + m), 12);
    }
  }
  if (load<i32>(view + DOTS) == 0) return;
  const reference: f32 = warped ? <f32>m : max(highestOther, saved);
  if (dotted != 0) {
    const own: f64 = warped ? entry : <f64>saved;
    const from: f64 = warped ? m : <f64>reference;
    let value = dotSum;
    // A weight of 0 adds 0 also at −∞.
    if (highestOther > -Infinity) value += (<f64>highestOther - from) * otherWeights;
    if (ownWeight != 0) value += (own - from) * ownWeight;
    output(dotted, VALUE, row, warped ? value : <f64>scale * value);
  }
  const unit: f64 = warped ? 1 : <f64>scale;
  const own: f64 = warped ? entry - m : <f64>saved - <f64>reference;
  if (warped) store<f32>(hole, <f32>entry);
  forwardDots(block, view, row, values, length, reference, unit, dotted);
  forwardCrossEntropies(block, view, row, values, length, reference, unit, hole - values, own * unit, logSum);
}

/** Whether the cross entropy of weights is wanted. */
function hasCrossEntropy(view: usize): bool {
  const end = endOfView(view);
  for (let words = view + FIRST_DOT; words < end; words += DOT_SIZE) {
    if (isCrossEntropy(load<i32>(words + WEIGHTING)) && pointer(words, VALUE) != 0) return true;
  }
  return false;
}

/**
 * The cross entropies Σ_j w_j (s − x_j) for the entries x_j relative to m, as W s − Σ_j w_j x_j: no two of its terms have
 * opposite signs where weights have one.
 */
function forwardCrossEntropies(
  block: usize,
  view: usize,
  row: i32,
  values: usize,
  length: usize,
  reference: f32,
  scale: f64,
  hole: usize,
  own: f64,
  logSum: f64,
): void {
  const end = endOfView(view);
  for (let words = view + FIRST_DOT; words < end; words += DOT_SIZE) {
    const weighting = load<i32>(words + WEIGHTING);
    if (!isCrossEntropy(weighting) || pointer(words, VALUE) == 0) continue;
    const q = weightsOf(block, row, length, weighting);
    const table = pointer(words, TABLE);
    const after = hole + 4;
    let sum = dot(values, hole, reference, q, table);
    let others = sumOfWeights;
    sum += dot(values + after, length - after, reference, q + after, table == 0 ? 0 : table + after);
    others += sumOfWeights;
    const weight = weightAt(q, table, hole);
    let value = (others + weight) * logSum - scale * sum;
    // A weight of 0 adds 0 also at −∞.
    if (weight != 0) value -= weight * own;
    output(words, VALUE, row, value);
    output(words, OTHERS, row, others);
  }
}

/** The first dot with weights of a table alone that is wanted; 0 for none. */
function dotByTable(view: usize): usize {
  const end = endOfView(view);
  for (let words = view + FIRST_DOT; words < end; words += DOT_SIZE) {
    if (load<i32>(words + WEIGHTING) == BY_TABLE && pointer(words, VALUE) != 0) return words;
  }
  return 0;
}

/** The last table that was added up, and its sum: rows share it. */
let knownTable: usize = 0;
let knownTotal: f64 = 0;

/** Σ u_j; a table of 0 stands for u = 1. */
function totalOfTable(length: usize, table: usize): f64 {
  if (table == 0) return <f64>(length >> 2);
  if (table != knownTable) {
    knownTotal = totalWeight(length, table, 0);
    knownTable = table;
  }
  return knownTotal;
}

function forwardDots(
  block: usize,
  view: usize,
  row: i32,
  values: usize,
  length: usize,
  reference: f32,
  scale: f64,
  done: usize,
): void {
  const end = endOfView(view);
  for (let words = view + FIRST_DOT; words < end; words += DOT_SIZE) {
    const weighting = load<i32>(words + WEIGHTING);
    if (pointer(words, VALUE) == 0 || words == done || isCrossEntropy(weighting)) continue;
    const table = pointer(words, TABLE);
    const value =
      weighting == BY_TABLE
        ? scale * dot(values, length, reference, 0, table)
        : totalWeight(length, weightsOf(block, row, length, weighting), table);
    output(words, VALUE, row, value);
  }
}

/** Writes one number to every wanted output of a row. */
function writeAll(block: usize, row: i32, value: f64): void {
  const views = load<i32>(block + VIEWS);
  let view = block + FIRST_VIEW;
  for (let index = 0; index < views; index++) {
    writeView(view, row, value);
    view = endOfView(view);
  }
}

/** Writes one number to every wanted output of a row in a view. */
function writeView(view: usize, row: i32, value: f64): void {
  output(view, M, row, value);
  output(view, S, row, value);
  output(view, N, row, value);
  output(view, T, row, value);
  output(view, R, row, value);
  output(view, E, row, value);
  const end = endOfView(view);
  for (let words = view + FIRST_DOT; words < end; words += DOT_SIZE) {
    output(words, VALUE, row, value);
    output(words, OTHERS, row, value);
  }
}
