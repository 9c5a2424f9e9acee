/** The softmax of a teacher's logits. */

import { writeExponentials } from "./probabilities";
import { exponential, logarithm } from "./scalar";
import { highest, sum, sumExponentials } from "./sums";
import {
  pointer,
  scratchRow,
  TEACHER,
  TEACHER_SCALE,
  TEACHER_STATE,
  TEACHER_STATE_SIZE,
} from "./words";

/** Writes what the teacher's probabilities of a row need. */
export function forwardTeacher(block: usize, row: i32, length: usize): void {
  const logits = pointer(block, TEACHER) + <usize>row * length;
  const scale = load<f32>(block + TEACHER_SCALE);
  sumExponentials(logits, logits + length, scale, false);
  const s = highest > -Infinity ? logarithm(sum) : NaN;
  const state = pointer(block, TEACHER_STATE) + <usize>row * TEACHER_STATE_SIZE;
  store<f32>(state, highest);
  store<f32>(state, <f32>s, 4);
}

/** Writes the teacher's probabilities of a row to scratch memory, and returns where. */
export function teacherProbabilities(block: usize, row: i32, length: usize): usize {
  const logits = pointer(block, TEACHER) + <usize>row * length;
  const state = pointer(block, TEACHER_STATE) + <usize>row * TEACHER_STATE_SIZE;
  const out = scratchRow(block, 2);
  const factor = <f32>exponential(-(<f64>load<f32>(state, 4)));
  writeExponentials(logits, length, load<f32>(state), load<f32>(block + TEACHER_SCALE), factor, 0, out, false);
  return out;
}
