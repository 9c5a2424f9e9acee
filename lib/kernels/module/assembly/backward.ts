/** The gradient of the logits. */
import { addWeights } from "./dots";
import { storeTail } from "./lanes";
import { writeExponentials, writeExponentialsAndTable } from "./probabilities";
import { exponential, sigmoid } from "./scalar";
import { isMeanOfLikely } from "./state";
import { addThroughCap, entryAt, isWarped, referenceLogit, restoreReference, writeEntries } from "./view";
import { beginRow, weightsOf } from "./weights";
import {
  BY_TABLE,
  BY_TEACHER,
  CAP,
  CLASSES,
  cotangent,
  DOT_SIZE,
  E,
  endOfView,
  FIRST_DOT,
  FIRST_VIEW,
  GRADIENT,
  isCrossEntropy,
  labelOf,
  LOGITS,
  N,
  OTHERS,
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
  VALID,
  VALUE,
  VIEWS,
  WEIGHTING,
  weightAt,
} from "./words";

/** Whether the row of the gradient holds something yet. */
let isWritten: bool = false;

export function backwardRows(block: usize): void {
  const rows = load<i32>(block + ROWS);
  const valid = pointer(block, VALID);
  for (let row = 0; row < rows; row++) backwardRow(block, row, valid == 0 || load<u8>(valid + row) != 0);
}

function backwardRow(block: usize, row: i32, isValid: bool): void {
  const length = (<usize>load<i32>(block + CLASSES)) << 2;
  const gradient = pointer(block, GRADIENT) + <usize>row * length;
  beginRow();
  isWritten = false;
  if (isValid) {
    const views = load<i32>(block + VIEWS);
    let view = block + FIRST_VIEW;
    for (let index = 0; index < views; index++) {
      const size = sizeOfCotangents(view, row);
      if (size != 0) {
        const state = pointer(view, STATE) + <usize>row * STATE_SIZE;
        const logOthers = load<f32>(state, 8);
        if (size != size || logOthers != logOthers) {
          fill(gradient, length, NaN);
          return;
        }
        backwardView(block, view, row, gradient, length);
      }
      view = endOfView(view);
    }
  }
  if (!isWritten) fill(gradient, length, 0);
}

/** 0 where every cotangent of a view in a row is 0, NaN where one is NaN. */
function sizeOfCotangents(view: usize, row: i32): f64 {
  let size =
    abs(cotangent(view, S, row)) +
    abs(cotangent(view, N, row)) +
    abs(cotangent(view, T, row)) +
    abs(cotangent(view, R, row)) +
    abs(cotangent(view, E, row));
  const end = endOfView(view);
  for (let dot = view + FIRST_DOT; dot < end; dot += DOT_SIZE) {
    if (load<i32>(dot + WEIGHTING) <= BY_TEACHER) size += abs(cotangent(dot, VALUE, row));
  }
  return size;
}

function backwardView(block: usize, view: usize, row: i32, gradient: usize, length: usize): void {
  const logits = pointer(block, LOGITS) + <usize>row * length;
  const state = pointer(view, STATE) + <usize>row * STATE_SIZE;
  const capped = load<f32>(view + CAP) > 0;
  const scale = load<f32>(view + SCALE);
  // A cap multiplies the whole row in the end; without one the slope is the scale everywhere.
  const factor: f64 = capped ? 1 : <f64>scale;
  const out = capped ? scratchRow(block, 1) : gradient;
  const accumulate = !capped && isWritten;

  // The dot that is added in the same write as the exponentials; 0 for none.
  let added: usize = 0;
  const s = cotangent(view, S, row);
  const n = cotangent(view, N, row);
  const t = cotangent(view, T, row);
  const r = cotangent(view, R, row);
  const e = cotangent(view, E, row);
  const weighed = hasCrossEntropy(view, row);
  if (s != 0 || n != 0 || t != 0 || r != 0 || e != 0 || weighed) {
    restoreReference(view, logits, load<f32>(state), load<i32>(state, 4));
    const label = labelOf(view, row);
    const excluded = label < 0 ? load<i32>(state, 4) : label;
    const offset = <usize>excluded << 2;
    const entry = entryAt(view, logits, excluded);
    const logOthers = <f64>load<f32>(state, 8);
    const others = sigmoid(logOthers - entry);
    const probability = sigmoid(entry - logOthers);
    // Of the entry that is left out: of what cancels at a likely entry, none is formed.
    let target = s * probability - n * others + t + dotsAt(view, row, offset);
    let ofWeights: f64 = 0;
    if (weighed) {
      crossEntropiesAt(block, view, row, length, offset, others);
      target += weighedTarget;
      ofWeights = weighedSum;
    }
    let constant: f64 = 0;
    let rate: f64 = 0;
    if (logOthers > -Infinity) constant = (s + n + ofWeights) * others + r;
    if (e != 0) {
      const kept = <f64>load<f32>(state, 12);
      const isLikely = isMeanOfLikely(entry, logOthers);
      if (probability > 0) target += e * probability * (isLikely ? kept : kept - entry);
      if (logOthers > -Infinity) {
        constant += e * others * (isLikely ? kept + entry : kept);
        rate = -e * others;
      }
    }
    const hole = out + offset;
    const before: f64 = accumulate ? <f64>load<f32>(hole) : 0;
    if (constant != 0 || rate != 0) {
      let values = logits;
      let origin = referenceLogit;
      let unit = scale;
      if (isWarped(view)) {
        values = scratchRow(block, 0);
        origin = 0;
        unit = 1;
        writeEntries(view, logits, logits + length, values);
      }
      const share = factor * exponential(-logOthers);
      const c = <f32>(share * constant);
      const d = <f32>(share * rate);
      added = accumulate ? 0 : dotByTable(view, row);
      if (added == 0) {
        writeExponentials(values, length, origin, unit, c, d, out, accumulate);
      } else {
        const dotFactor = <f32>(factor * cotangent(added, VALUE, row));
        writeExponentialsAndTable(values, length, origin, unit, c, d, out, dotFactor, pointer(added, TABLE));
      }
    } else if (!accumulate) fill(out, length, 0);
    backwardDots(block, view, row, out, length, factor, added);
    store<f32>(hole, <f32>(before + factor * target));
  } else {
    if (!accumulate) fill(out, length, 0);
    backwardDots(block, view, row, out, length, factor, added);
  }
  if (capped) addThroughCap(view, logits, logits + length, out, gradient, isWritten);
  isWritten = true;
}

/** The first dot with weights of a table alone and a cotangent in a row; 0 for none. */
function dotByTable(view: usize, row: i32): usize {
  const end = endOfView(view);
  for (let words = view + FIRST_DOT; words < end; words += DOT_SIZE) {
    if (load<i32>(words + WEIGHTING) == BY_TABLE && cotangent(words, VALUE, row) != 0) return words;
  }
  return 0;
}

/** Σ g u_j over the dots with weights of a table alone, at an offset in bytes. */
function dotsAt(view: usize, row: i32, offset: usize): f64 {
  const end = endOfView(view);
  let sum: f64 = 0;
  for (let words = view + FIRST_DOT; words < end; words += DOT_SIZE) {
    if (load<i32>(words + WEIGHTING) != BY_TABLE) continue;
    const value = cotangent(words, VALUE, row);
    const table = pointer(words, TABLE);
    if (value != 0) sum += table == 0 ? value : value * <f64>load<f32>(table + offset);
  }
  return sum;
}

function hasCrossEntropy(view: usize, row: i32): bool {
  const end = endOfView(view);
  for (let words = view + FIRST_DOT; words < end; words += DOT_SIZE) {
    if (isCrossEntropy(load<i32>(words + WEIGHTING)) && cotangent(words, VALUE, row) != 0) return true;
  }
  return false;
}

/** Σ g W over the cross entropies of a row, and Σ g (W p_h − w_h) at the entry h that is left out. */
let weighedSum: f64 = 0;
let weighedTarget: f64 = 0;

/** Leaves the sums in the variables above: W p_h − w_h is the others' weights less W (1 − p_h), where nothing is lost. */
function crossEntropiesAt(block: usize, view: usize, row: i32, length: usize, offset: usize, others: f64): void {
  weighedSum = 0;
  weighedTarget = 0;
  const end = endOfView(view);
  for (let words = view + FIRST_DOT; words < end; words += DOT_SIZE) {
    const weighting = load<i32>(words + WEIGHTING);
    if (!isCrossEntropy(weighting)) continue;
    const value = cotangent(words, VALUE, row);
    if (value == 0) continue;
    const ofOthers = cotangent(words, OTHERS, row);
    const sum = ofOthers + weightAt(weightsOf(block, row, length, weighting), pointer(words, TABLE), offset);
    weighedSum += value * sum;
    weighedTarget += value * (ofOthers - sum * others);
  }
}

/** Adds g u_j of tables and −g w_j of weights. */
function backwardDots(
  block: usize,
  view: usize,
  row: i32,
  out: usize,
  length: usize,
  factor: f64,
  done: usize,
): void {
  const end = endOfView(view);
  for (let words = view + FIRST_DOT; words < end; words += DOT_SIZE) {
    const weighting = load<i32>(words + WEIGHTING);
    if (weighting > BY_TEACHER || words == done) continue;
    const value = cotangent(words, VALUE, row);
    if (value == 0) continue;
    const table = pointer(words, TABLE);
    if (weighting == BY_TABLE) addWeights(out, length, <f32>(factor * value), 0, table);
    else addWeights(out, length, <f32>(-factor * value), weightsOf(block, row, length, weighting), table);
  }
}

function fill(row: usize, length: usize, value: f32): void {
  const lanes = f32x4.splat(value);
  let at: usize = 0;
  for (; length - at >= 16; at += 16) v128.store(row + at, lanes);
  if (at < length) storeTail(row + at, row + length, lanes);
}
