/** The gradient of the logits. */
import { addWeights } from "./dots";
import { storeTail } from "./lanes";
import { writeExponentials, writeExponentialsAndTable } from "./probabilities";
import { exponential, sigmoid } from "./scalar";
import { teacherProbabilities } from "./teacher";
import { addThroughCap, entryAt, isWarped, referenceLogit, restoreReference, writeEntries } from "./view";
import {
  BY_TABLE,
  BY_TARGETS,
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
  LABELS,
  LOGITS,
  N,
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
  TARGETS,
  VALID,
  VALUE,
  VIEWS,
  WEIGHTING,
} from "./words";

/** Where the teacher's probabilities of the row are; 0 before a dot asked for them. */
let teacherRow: usize = 0;

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
  teacherRow = 0;
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
  const labels = pointer(block, LABELS);
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
  if (s != 0 || n != 0 || t != 0 || r != 0 || e != 0) {
    restoreReference(view, logits, load<f32>(state), load<i32>(state, 4));
    const excluded = labels == 0 ? load<i32>(state, 4) : load<i32>(labels + ((<usize>row) << 2));
    const entry = entryAt(view, logits, excluded);
    const logOthers = <f64>load<f32>(state, 8);
    const others = sigmoid(logOthers - entry);
    const probability = sigmoid(entry - logOthers);
    let constant: f64 = 0;
    let rate: f64 = 0;
    let target = s * probability - n * others + t;
    if (logOthers > -Infinity) {
      constant = (s + n) * others + r;
      rate = e * others;
    }
    if (e != 0) {
      const center = logOthers > -Infinity ? max(0, entry) + <f64>load<f32>(state, 12) : entry;
      constant += rate * (1 - center);
      if (probability > 0) target += e * probability * (1 + entry - center);
    }
    const hole = out + ((<usize>excluded) << 2);
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
      const before: f32 = accumulate ? load<f32>(hole) : 0;
      const c = <f32>(share * constant);
      const d = <f32>(share * rate);
      added = accumulate ? 0 : dotByTable(view, row);
      if (added == 0) {
        writeExponentials(values, length, origin, unit, c, d, out, accumulate);
        store<f32>(hole, before);
      } else {
        const table = pointer(added, TABLE);
        const dotFactor = <f32>(factor * cotangent(added, VALUE, row));
        writeExponentialsAndTable(values, length, origin, unit, c, d, out, dotFactor, table);
        store<f32>(hole, table == 0 ? dotFactor : dotFactor * load<f32>(table + ((<usize>excluded) << 2)));
      }
    } else if (!accumulate) fill(out, length, 0);
    store<f32>(hole, <f32>(<f64>load<f32>(hole) + factor * target));
  } else if (!accumulate) fill(out, length, 0);
  backwardDots(block, view, row, out, length, factor, added);
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

function backwardDots(
  block: usize,
  view: usize,
  row: i32,
  out: usize,
  length: usize,
  factor: f64,
  done: usize,
): void {
  const targets = pointer(block, TARGETS) + <usize>row * length;
  const end = endOfView(view);
  for (let words = view + FIRST_DOT; words < end; words += DOT_SIZE) {
    const weighting = load<i32>(words + WEIGHTING);
    if (weighting > BY_TEACHER || words == done) continue;
    const value = cotangent(words, VALUE, row);
    if (value == 0) continue;
    let q: usize = 0;
    if (weighting == BY_TARGETS) q = targets;
    else if (weighting == BY_TEACHER) {
      if (teacherRow == 0) teacherRow = teacherProbabilities(block, row, length);
      q = teacherRow;
    }
    addWeights(out, length, <f32>(factor * value), q, pointer(words, TABLE));
  }
}

function fill(row: usize, length: usize, value: f32): void {
  const lanes = f32x4.splat(value);
  let at: usize = 0;
  for (; length - at >= 16; at += 16) v128.store(row + at, lanes);
  if (at < length) storeTail(row + at, row + length, lanes);
}
