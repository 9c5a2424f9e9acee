/** An output layer: logits = hidden · kernel + bias, a block of rows at a time, and the way back. */
import * as tf from "@tensorflow/tfjs";
import { chooseProducts } from "../../kernels/products/choose.ts";
import type { Factor } from "../../kernels/products/products.ts";

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

/** The logits [R, V] of some rows of the hidden states, [R, D]. */
export function headLogits(head: Head, hidden: tf.Tensor2D): tf.Tensor2D {
  const { pieces, transposed, bias } = head;
  if (hidden.shape[0] === 0) return tf.zeros([0, classesOf(head)]);
  const products = chooseProducts();
  const [first, ...rest] = hiddenPieces(head, hidden);
  const factor = (i: number): Factor => ({ matrix: pieces[i], transposed });
  const start = products.multiply(plain(first), factor(0), bias);
  return rest.reduce((sum, part, i) => products.add(sum, plain(part), factor(i + 1)), start);
}

/** What a head's parts get of ∂loss/∂logits: those that are wanted. */
export interface HeadGradients {
  /** [N, D], as blocks of rows. */
  readonly hidden: readonly tf.Tensor2D[] | null;
  readonly pieces: readonly tf.Tensor2D[] | null;
  /** [1, V]. */
  readonly bias: tf.Tensor2D | null;
}

/** Which gradients of a head are wanted. */
export interface Wanted {
  readonly hidden: boolean;
  readonly kernel: boolean;
  readonly bias: boolean;
}

/** Nothing reached yet. */
export function noGradients(head: Head, wanted: Wanted): HeadGradients {
  return {
    hidden: wanted.hidden ? [] : null,
    pieces: wanted.kernel ? head.pieces.map(({ shape }) => tf.zeros<tf.Rank.R2>(shape)) : null,
    bias: wanted.bias && head.bias !== null ? tf.zeros([1, head.bias.size]) : null,
  };
}

/** The gradients with those of a block of rows added; what was before is used up. */
export function addGradients(
  before: HeadGradients,
  head: Head,
  hidden: tf.Tensor2D,
  gradient: tf.Tensor2D,
): HeadGradients {
  const { transposed } = head;
  const products = chooseProducts();
  const parts = hiddenPieces(head, hidden);
  const ofHidden = (): tf.Tensor2D => {
    const blocks = head.pieces.map((matrix) =>
      products.multiply(plain(gradient), { matrix, transposed: !transposed }, null),
    );
    return blocks.length === 1 ? blocks[0] : tf.concat(blocks, 1);
  };
  return {
    hidden: before.hidden === null ? null : [...before.hidden, ofHidden()],
    pieces:
      before.pieces?.map((total, i) =>
        transposed
          ? products.add(total, turned(gradient), plain(parts[i]))
          : products.add(total, turned(parts[i]), plain(gradient)),
      ) ?? null,
    bias:
      before.bias === null ? null : products.add(before.bias, plain(tf.ones([1, gradient.shape[0]])), plain(gradient)),
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

/** The columns of the hidden states that go with each piece of the kernel. */
function hiddenPieces(head: Head, hidden: tf.Tensor2D): readonly tf.Tensor2D[] {
  return head.pieces.length === 1 ? [hidden] : tf.split(hidden, [...widthsOf(head)], 1);
}
