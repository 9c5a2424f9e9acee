/** The words of the parameter block; the encoding and what each word means is in ../block.ts. */

export const ROWS = 0;
export const CLASSES = 4;
export const LOGITS = 8;
export const VALID = 12;
export const TARGETS = 16;
export const TEACHER = 20;
export const TEACHER_SCALE = 24;
export const TEACHER_STATE = 28;
export const SCRATCH = 32;
export const GRADIENT = 36;
export const VIEWS = 40;
export const FIRST_VIEW = 44;

/** Within a view. */
export const SCALE = 0;
export const CAP = 4;
export const BIAS = 8;
export const STATE = 12;
export const LABELS = 16;
export const M = 20;
export const S = 24;
export const N = 28;
export const T = 32;
export const R = 36;
export const E = 40;
export const DOTS = 44;
export const FIRST_DOT = 48;

/** Within a dot. */
export const WEIGHTING = 0;
export const TABLE = 4;
export const VALUE = 8;
export const OTHERS = 12;
export const DOT_SIZE = 16;

/** Bytes of a row's state in each view, and of a row's state of the teacher. */
export const STATE_SIZE = 16;
export const TEACHER_STATE_SIZE = 8;

/** The kinds of weighting of a dot. */
export const BY_TABLE = 0;
export const BY_TARGETS = 1;
export const BY_TEACHER = 2;
export const TOTAL_BY_TARGETS = 5;

/** Whether a dot is the cross entropy of weights. */
@inline
export function isCrossEntropy(weighting: i32): bool {
  return weighting == BY_TARGETS || weighting == BY_TEACHER;
}

/** q_j u_j at an offset in bytes; a table of 0 stands for u = 1. */
@inline
export function weightAt(q: usize, table: usize, offset: usize): f64 {
  const weight = <f64>load<f32>(q + offset);
  return table == 0 ? weight : weight * <f64>load<f32>(table + offset);
}

/** The pointer in a word; 0 where there is none. */
@inline
export function pointer(words: usize, word: usize): usize {
  return <usize>load<u32>(words + word);
}

/** Writes entry `row` of the output whose pointer is in a word, if it is wanted. */
@inline
export function output(words: usize, word: usize, row: i32, value: f64): void {
  const values = pointer(words, word);
  if (values != 0) store<f32>(values + (<usize>row << 2), <f32>value);
}

/** Entry `row` of the cotangents whose pointer is in a word; 0 where there are none. */
@inline
export function cotangent(words: usize, word: usize, row: i32): f64 {
  const values = pointer(words, word);
  return values == 0 ? 0 : <f64>load<f32>(values + (<usize>row << 2));
}

/** The label of a row that a view leaves out; −1 where it leaves out the highest entry. */
@inline
export function labelOf(view: usize, row: i32): i32 {
  const labels = pointer(view, LABELS);
  return labels == 0 ? -1 : load<i32>(labels + (<usize>row << 2));
}

/** The end of a view's words, where the next view begins. */
@inline
export function endOfView(view: usize): usize {
  return view + FIRST_DOT + load<u32>(view + DOTS) * DOT_SIZE;
}

/** Row `index` of the three rows of scratch memory. */
@inline
export function scratchRow(block: usize, index: usize): usize {
  const stride = ((<usize>load<i32>(block + CLASSES) + 15) & ~15) << 2;
  return pointer(block, SCRATCH) + index * stride;
}
