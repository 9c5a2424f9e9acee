/** What the module exports. */
import { backwardRows } from "./backward";
import { forwardRows } from "./forward";

/** Writes every wanted statistic of every row; the argument is the address of the parameter block. */
export function forward(block: usize): void {
  forwardRows(block);
}

/** Writes the gradient of the logits; the argument is the address of the parameter block. */
export function backward(block: usize): void {
  backwardRows(block);
}
