/** Programs of ours over the rows of a batch, in the language of a device: some numbers of a row from other numbers of it. */
import type * as tf from "@tensorflow/tfjs";
import type { RowNumbers } from "./column.ts";

export interface RowProgram {
  /** Tensors [N], or with one entry for all rows, or columns of larger ones; the statements call them x0, x1, …. */
  readonly given: readonly RowNumbers[];
  /** Numbers for all rows; the statements call them u0, u1, …. */
  readonly numbers: readonly number[];
  /**
   * What the outputs are made of, with infinity, nan, isZero, rowExp, rowLog, rowLog1p, rowSoftplus, rowSigmoid, rowPow,
   * rowMin, rowMax and rowWeigh at hand, which follow IEEE 754 at the edges.
   */
  readonly statements: readonly string[];
  readonly outputs: readonly string[];
}

/** In what the languages of devices differ. */
export interface RowLanguage {
  readonly define: (name: string, value: string) => string;
  /** A number in the place of a value. */
  readonly constant: (text: string) => string;
  readonly isLess: (x: string, y: string) => string;
  /** Whether the row has this index. */
  readonly isRow: (index: number) => string;
  readonly select: (condition: string, whenTrue: string, otherwise: string) => string;
}

/** What runs such programs on a device. */
export interface RowDevice {
  readonly language: RowLanguage;
  /** The outputs of each row, [outputs, N]. */
  readonly rows: (program: RowProgram, rows: number) => tf.Tensor2D;
  /** The sum of each output over the rows, [outputs]. */
  readonly totals: (program: RowProgram, rows: number) => tf.Tensor1D;
}
