/**
 * The commonest call: the negative log likelihood n alone, in one view that is at most a multiple of the logits. It is as
 * the general way computes it, with fewer functions of a row's own numbers: with ho the highest of the others, S = Σ_{j≠y}
 * exp(z'_j − ho) and w = S · exp(ho − z'_y), n is log(1 + w), and 1 − p_y is w / (1 + w).
 */
import { writeExponentials } from "./probabilities";
import { exponential, log1pOfUnit, logarithm } from "./scalar";
import { highestOfShort, SHORT, sumOfShort, sumShort } from "./short";
import { highest, sum, sumExponentials } from "./sums";
import { isWarped } from "./view";
import {
  CLASSES,
  DOTS,
  E,
  FIRST_VIEW,
  GRADIENT,
  LABELS,
  LOGITS,
  M,
  N,
  pointer,
  R,
  ROWS,
  S,
  SCALE,
  STATE,
  STATE_SIZE,
  T,
  TEACHER,
  VALID,
  VIEWS,
} from "./words";

/** Marks the state of a row that was worked on here, in the place of a position. */
const PLAIN: i32 = -2;

/** exp of more would not be finite; there log(1 + w) is log w to all digits. */
const LARGEST_GAP: f64 = 600;

/** Whether a forward call asks for nothing but n. */
export function isPlain(block: usize): bool {
  const view = block + FIRST_VIEW;
  return (
    load<i32>(block + VIEWS) == 1 &&
    pointer(view, LABELS) != 0 &&
    pointer(block, TEACHER) == 0 &&
    pointer(view, N) != 0 &&
    (pointer(view, M) | pointer(view, S) | pointer(view, T) | pointer(view, R) | pointer(view, E)) == 0 &&
    load<i32>(view + DOTS) == 0 &&
    !isWarped(view)
  );
}

/** Whether a backward call belongs to a plain forward call: the first valid row's state tells. */
export function wasPlain(block: usize): bool {
  const view = block + FIRST_VIEW;
  if (load<i32>(block + VIEWS) != 1 || load<i32>(view + DOTS) != 0) return false;
  const rows = load<i32>(block + ROWS);
  const valid = pointer(block, VALID);
  const state = pointer(view, STATE);
  for (let row = 0; row < rows; row++) {
    if (valid == 0 || load<u8>(valid + row) != 0) return load<i32>(state + <usize>row * STATE_SIZE, 4) == PLAIN;
  }
  return false;
}

export function forwardPlainRows(block: usize): void {
  const view = block + FIRST_VIEW;
  const rows = load<i32>(block + ROWS);
  const length = (<usize>load<i32>(block + CLASSES)) << 2;
  const labels = pointer(view, LABELS);
  const valid = pointer(block, VALID);
  const scale = load<f32>(view + SCALE);
  const losses = pointer(view, N);
  let logits = pointer(block, LOGITS);
  let state = pointer(view, STATE);
  for (let row = 0; row < rows; row++) {
    const at = <usize>row << 2;
    if (valid != 0 && load<u8>(valid + row) == 0) {
      store<f32>(losses + at, 0);
    } else {
      const label = load<i32>(labels + at);
      const hole = logits + ((<usize>label) << 2);
      const own = load<f32>(hole);
      let highestOther: f32;
      let others: f64;
      if (length <= SHORT) {
        sumShort(logits, logits + length, label, scale);
        highestOther = highestOfShort;
        others = sumOfShort;
      } else {
        store<f32>(hole, -Infinity);
        sumExponentials(logits, logits + length, scale, false);
        store<f32>(hole, own);
        highestOther = highest;
        others = sum;
      }
      store<f32>(state, highestOther);
      store<i32>(state, PLAIN, 4);
      const top = max(highestOther, own);
      const isDefined = top > -Infinity && top < Infinity && others == others;
      store<f32>(state, isDefined ? <f32>others : NaN, 8);
      store<f32>(losses + at, isDefined ? <f32>lossOf(highestOther, own, scale, others) : NaN);
    }
    logits += length;
    state += STATE_SIZE;
  }
}

@inline
function lossOf(highestOther: f32, own: f32, scale: f32, others: f64): f64 {
  if (highestOther == -Infinity) return 0;
  const gap: f64 = (<f64>highestOther - <f64>own) * <f64>scale;
  if (gap > LARGEST_GAP) return gap + logarithm(others);
  const w = others * exponential(gap);
  return w <= 1 ? log1pOfUnit(w) : logarithm(1 + w);
}

export function backwardPlainRows(block: usize): void {
  const view = block + FIRST_VIEW;
  const rows = load<i32>(block + ROWS);
  const length = (<usize>load<i32>(block + CLASSES)) << 2;
  const labels = pointer(view, LABELS);
  const valid = pointer(block, VALID);
  const scale = load<f32>(view + SCALE);
  const cotangents = pointer(view, N);
  let logits = pointer(block, LOGITS);
  let state = pointer(view, STATE);
  let gradient = pointer(block, GRADIENT);
  for (let row = 0; row < rows; row++) {
    const at = <usize>row << 2;
    const isValid = valid == 0 || load<u8>(valid + row) != 0;
    const g: f32 = isValid && cotangents != 0 ? load<f32>(cotangents + at) : 0;
    const others = <f64>load<f32>(state, 8);
    if (g == 0) {
      memory.fill(gradient, 0, length);
    } else if (g != g || others != others) {
      fillNaN(gradient, length);
    } else {
      const highestOther = load<f32>(state);
      const label = (<usize>load<i32>(labels + at)) << 2;
      if (highestOther == -Infinity) {
        memory.fill(gradient, 0, length);
      } else {
        const gap: f64 = (<f64>highestOther - <f64>load<f32>(logits + label)) * <f64>scale;
        const w = gap > LARGEST_GAP ? Infinity : others * exponential(gap);
        const complement: f64 = w < Infinity ? w / (1 + w) : 1;
        const target = -(<f64>g) * complement * <f64>scale;
        writeExponentials(logits, length, highestOther, scale, <f32>(-target / others), 0, gradient, false);
        store<f32>(gradient + label, <f32>target);
      }
    }
    logits += length;
    state += STATE_SIZE;
    gradient += length;
  }
}

function fillNaN(row: usize, length: usize): void {
  for (let at: usize = 0; at < length; at += 4) store<f32>(row + at, NaN);
}
