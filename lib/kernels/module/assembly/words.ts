/** The words of the parameter block; the encoding and what each word means is in ../block.ts. */

export const ROWS = 0;
export const CLASSES = 4;
export const LOGITS = 8;
export const LABELS = 12;
export const VALID = 16;
export const TARGETS = 20;
export const TEACHER = 24;
export const TEACHER_SCALE = 28;
export const TEACHER_STATE = 32;
export const TEACHER_E = 36;
export const TEACHER_S = 40;
export const SCRATCH = 44;
export const GRADIENT = 48;
export const VIEWS = 52;
export const FIRST_VIEW = 56;

/** Within a view. */
export const SCALE = 0;
export const CAP = 4;
export const BIAS = 8;
export const STATE = 12;
export const M = 16;
export const S = 20;
export const N = 24;
export const T = 28;
export const R = 32;
export const E = 36;
export const DOTS = 40;
export const FIRST_DOT = 44;

/** Within a dot. */
export const WEIGHTING = 0;
export const TABLE = 4;
export const VALUE = 8;
export const DOT_SIZE = 12;

/** Bytes of a row's state in each view, and of a row's state of the teacher. */
export const STATE_SIZE = 16;
export const TEACHER_STATE_SIZE = 8;

/** The kinds of weighting of a dot. */
export const BY_TABLE = 0;
export const BY_TARGETS = 1;
export const BY_TEACHER = 2;
export const TOTAL_BY_TARGETS = 5;
export const TOTAL_BY_TEACHER = 6;

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
