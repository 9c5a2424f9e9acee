/** The weights of the classes of a row that differ from row to row: soft targets, or a teacher's probabilities. */
import { teacherProbabilities } from "./teacher";
import { BY_TARGETS, pointer, TARGETS, TOTAL_BY_TARGETS } from "./words";

/** Where the teacher's probabilities of the row are; 0 before a dot asked for them. */
let teacherRow: usize = 0;

/** Forgets the row that was worked on. */
export function beginRow(): void {
  teacherRow = 0;
}

/** Where the weights of a row are; those of a teacher are formed when they are first asked for. */
export function weightsOf(block: usize, row: i32, length: usize, weighting: i32): usize {
  if (weighting == BY_TARGETS || weighting == TOTAL_BY_TARGETS) return pointer(block, TARGETS) + <usize>row * length;
  if (teacherRow == 0) teacherRow = teacherProbabilities(block, row, length);
  return teacherRow;
}
