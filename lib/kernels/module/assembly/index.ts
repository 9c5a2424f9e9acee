/** What the module exports. */
import { backwardRows } from "./backward";
export { FIRST, FOURTH, LOWEST, ONE, ROUNDING, SECOND, THIRD } from "./exp";
import { forwardRows } from "./forward";
import { backwardPlainRows, forwardPlainRows, isPlain, wasPlain } from "./plain";

export { product, productScratch } from "./product";

/** Writes every wanted statistic of every row; the argument is the address of the parameter block. */
export function forward(block: usize): void {
  if (isPlain(block)) forwardPlainRows(block);
  else forwardRows(block);
}

/** Writes the gradient of the logits; the argument is the address of the parameter block. */
export function backward(block: usize): void {
  if (wasPlain(block)) backwardPlainRows(block);
  else backwardRows(block);
}
