/** An output layer: logits = hidden · kernel + bias, a tile at a time, and the way back. */
import * as tf from "@tensorflow/tfjs";
import { chooseProducts } from "../../kernels/products/choose.ts";
import type { Factor } from "../../kernels/products/products.ts";
import type { Columns } from "./columnTiles.ts";
import { finiteBias } from "./emptyTiles.ts";

export interface Head {
  /** [N, D]. */
  readonly hidden: tf.Tensor2D;
  /** The kernel [D, V] in pieces along D, each [Dᵢ, V], or [V, Dᵢ] where it lies transposed. */
  readonly pieces: readonly tf.Tensor2D[];
  readonly transposed: boolean;
  /** [V]. */
  readonly bias: tf.Tensor1D | null;
}

/** V. */
export function classesOf({ pieces, transposed }: Pick<Head, "pieces" | "transposed">): number {
  return pieces[0].shape[transposed ? 0 : 1];
}

/** Dᵢ. */
export function widthsOf({ pieces, transposed }: Pick<Head, "pieces" | "transposed">): readonly number[] {
  return pieces.map(({ shape }) => shape[transposed ? 1 : 0]);
}

const plain = (matrix: tf.Tensor2D): Factor => ({ matrix, transposed: false });
const turned = (matrix: tf.Tensor2D): Factor => ({ matrix, transposed: true });

/** The logits of some rows of the hidden states, [R, D]; [R, V], or [R, C] by a part of the layer. */
export function headLogits(head: Head, hidden: tf.Tensor2D): tf.Tensor2D {
  const { pieces, transposed, bias } = head;
  if (hidden.shape[0] === 0) return tf.zeros([0, classesOf(head)]);
  const products = chooseProducts();
  const [first, ...rest] = hiddenPieces(head, hidden);
  const factor = (i: number): Factor => ({ matrix: pieces[i], transposed });
  const start = products.multiply(plain(first), factor(0), bias);
  return rest.reduce((sum, part, i) => products.add(sum, plain(part), factor(i + 1)), start);
}

/** The part of a layer that makes some columns of the logits; it is copied. */
export function headColumns(head: Head, { start, size }: Columns): Head {
  const { pieces, transposed, bias } = head;
  return {
    ...head,
    pieces: pieces.map((piece) => {
      const [rows, columns] = piece.shape;
      return transposed ? tf.slice(piece, [start, 0], [size, columns]) : tf.slice(piece, [0, start], [rows, size]);
    }),
    bias: bias === null ? null : finiteBias(tf.slice(bias, [start], [size])),
  };
}

/** What a head's parts get of ∂loss/∂logits: those that are wanted. */
export interface HeadGradients {
  /** [N, D], as blocks of rows. */
  readonly hidden: readonly tf.Tensor2D[] | null;
  /** Of each tile of columns. */
  readonly columns: readonly ColumnGradients[];
}

/** The gradients of what makes some columns of the logits. */
export interface ColumnGradients {
  readonly pieces: readonly tf.Tensor2D[] | null;
  /** [1, C]. */
  readonly bias: tf.Tensor2D | null;
}

/** Which gradients of a head are wanted. */
export interface Wanted {
  readonly hidden: boolean;
  readonly kernel: boolean;
  readonly bias: boolean;
}

/** Nothing reached yet, with a part for each tile of columns. */
export function noGradients(head: Head, wanted: Wanted, tiles: readonly Columns[]): HeadGradients {
  const { pieces, transposed, bias } = head;
  return {
    hidden: wanted.hidden ? [] : null,
    columns: tiles.map(({ size }) => ({
      pieces: wanted.kernel
        ? pieces.map(({ shape }) => tf.zeros<tf.Rank.R2>(transposed ? [size, shape[1]] : [shape[0], size]))
        : null,
      bias: wanted.bias && bias !== null ? tf.zeros([1, size]) : null,
    })),
  };
}

/** The sums alone: what a block adds to. A tidy for each block that saw all rows before would take time quadratic in the blocks. */
export function sumsOf(gradients: HeadGradients): HeadGradients {
  return { ...gradients, hidden: gradients.hidden === null ? null : [] };
}

/** The sums after a block, with its rows behind those before. */
export function withRowsOf(before: HeadGradients, { hidden, ...sums }: HeadGradients): HeadGradients {
  return { ...sums, hidden: before.hidden === null || hidden === null ? null : before.hidden.concat(hidden) };
}

/** The gradients of a tile's part of the layer with those of some rows added; what was before is used up. */
export function addToColumns(
  before: ColumnGradients,
  part: Head,
  hidden: tf.Tensor2D,
  gradient: tf.Tensor2D,
): ColumnGradients {
  const { transposed } = part;
  const products = chooseProducts();
  const ofPieces = hiddenPieces(part, hidden);
  return {
    pieces:
      before.pieces?.map((total, i) =>
        transposed
          ? products.add(total, turned(gradient), plain(ofPieces[i]))
          : products.add(total, turned(ofPieces[i]), plain(gradient)),
      ) ?? null,
    bias:
      before.bias === null ? null : products.add(before.bias, plain(tf.ones([1, gradient.shape[0]])), plain(gradient)),
  };
}

/**
 * The gradient of some rows of the hidden states, as many columns of it for each piece of the kernel: that through a tile added to that
 * of other tiles, which is used up; null is none.
 */
export function addToHidden(
  before: readonly tf.Tensor2D[] | null,
  { pieces, transposed }: Head,
  gradient: tf.Tensor2D,
): readonly tf.Tensor2D[] {
  const products = chooseProducts();
  return pieces.map((matrix, i) => {
    const factor = { matrix, transposed: !transposed };
    return before === null
      ? products.multiply(plain(gradient), factor, null)
      : products.add(before[i], plain(gradient), factor);
  });
}

/** What goes with the pieces of a kernel, side by side. */
export function sideBySide(parts: readonly tf.Tensor2D[]): tf.Tensor2D {
  return parts.length === 1 ? parts[0] : tf.concat([...parts], 1);
}

/** The gradients of the parts of a layer, from those of its tiles of columns, which are used up. */
export function joinColumns(
  { transposed }: Head,
  columns: readonly ColumnGradients[],
): { readonly pieces: readonly tf.Tensor2D[] | null; readonly bias: tf.Tensor1D | null } {
  const [first] = columns;
  const joined = (parts: readonly tf.Tensor2D[], axis: number): tf.Tensor2D => {
    if (parts.length === 1) return parts[0];
    const whole = tf.concat([...parts], axis);
    // Another piece is not to be there twice at the same time.
    tf.dispose([...parts]);
    return whole;
  };
  const pieces = first.pieces?.map((_, i) =>
    joined(
      columns.map((tile) => (tile.pieces as readonly tf.Tensor2D[])[i]),
      transposed ? 0 : 1,
    ),
  );
  const bias =
    first.bias === null
      ? null
      : joined(
          columns.map((tile) => tile.bias as tf.Tensor2D),
          1,
        ).flatten();
  return { pieces: pieces ?? null, bias: bias as tf.Tensor1D | null };
}

/** The columns of the hidden states that go with each piece of the kernel. */
function hiddenPieces(head: Head, hidden: tf.Tensor2D): readonly tf.Tensor2D[] {
  return head.pieces.length === 1 ? [hidden] : tf.split(hidden, [...widthsOf(head)], 1);
}
