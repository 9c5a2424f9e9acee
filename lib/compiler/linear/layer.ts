/** An output layer as a batch gives it, and what is wrong with one. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";
import { checkTensor, describe } from "../entries.ts";
import { largestBinding } from "./deviceLimit.ts";
import { classesOf, type Head, widthsOf } from "./head.ts";

/** An output layer and what it is applied to. */
export interface LinearLayer {
  /** Hidden states [..., D], float32. */
  readonly hidden: tf.Tensor;
  /**
   * The kernel [D, V], or [V, D] for a loss compiled with `{ kernelShape: "[V, D]" }`; float32. Or pieces of it along D,
   * for a device that does not bind it whole.
   */
  readonly kernel: tf.Tensor | readonly tf.Tensor[];
  /** [V], float32; 0 without it. */
  readonly bias?: tf.Tensor;
}

/** A part of a layer that may get a gradient. */
export type LinearPart = "hidden" | "kernel" | "bias";

/** Whether the kernel is [V, D]. */
export type KernelShape = "[D, V]" | "[V, D]";

/** The rows and the sizes of a layer. */
interface Layer {
  /** Of the rows. */
  readonly shape: readonly number[];
  readonly classes: number;
  readonly width: number;
}

export function readLayer(
  layer: LinearLayer,
  kernelShape: KernelShape,
  prefix: string,
): Layer & { readonly head: Head } {
  const checked = checkLayer(layer, kernelShape, prefix);
  const rows = checked.shape.reduce((product, size) => product * size, 1);
  return {
    ...checked,
    head: {
      hidden: layer.hidden.reshape([rows, checked.width]),
      pieces: piecesOf(layer.kernel) as readonly tf.Tensor2D[],
      transposed: kernelShape === "[V, D]",
      bias: (layer.bias as tf.Tensor1D | undefined) ?? null,
    },
  };
}

export function piecesOf(kernel: LinearLayer["kernel"]): readonly tf.Tensor[] {
  return kernel instanceof tf.Tensor ? [kernel] : kernel;
}

export function checkLayer(layer: LinearLayer, kernelShape: KernelShape, prefix: string): Layer {
  if (typeof layer !== "object" || layer === null)
    throw new LossError("batch", `got ${describe(layer)}`, "Give { hidden, kernel, labels }");
  const { hidden, kernel, bias } = layer;
  checkPart(`${prefix}hidden`, hidden, "Give hidden states [..., D]");
  if (hidden.rank === 0) throw new LossError(`${prefix}hidden`, "it is a single number", "Give hidden states [..., D]");
  const pieces = piecesOf(kernel);
  if (!Array.isArray(pieces) || pieces.length === 0)
    throw new LossError(`${prefix}kernel`, `got ${describe(kernel)}`, `Give a tensor ${kernelShape}`);
  for (const piece of pieces) {
    checkPart(`${prefix}kernel`, piece, `Give a tensor ${kernelShape}`);
    if (piece.rank !== 2)
      throw new LossError(`${prefix}kernel`, `it has shape ${shown(piece)}`, `Give a tensor ${kernelShape}`);
    checkBinding(`${prefix}kernel`, piece, kernelShape);
  }
  const described = { pieces: pieces as readonly tf.Tensor2D[], transposed: kernelShape === "[V, D]" };
  const classes = classesOf(described);
  const widths = widthsOf(described);
  const width = widths.reduce((sum, size) => sum + size, 0);
  const odd = described.pieces.find((piece) => classesOf({ ...described, pieces: [piece] }) !== classes);
  if (odd !== undefined) {
    throw new LossError(
      `${prefix}kernel`,
      `its pieces have shapes ${pieces.map(shown).join(" and ")}`,
      `Split it along D, so that all pieces have the same V: ${kernelShape}`,
    );
  }
  if (classes === 0) throw new LossError(`${prefix}kernel`, "it has no class", `Give a tensor ${kernelShape}`);
  const given = hidden.shape[hidden.rank - 1];
  if (given !== width) {
    const other = kernelShape === "[D, V]" ? "[V, D]" : "[D, V]";
    const swapped = described.pieces.length === 1 && given === classes;
    throw new LossError(
      `${prefix}hidden`,
      `its last axis has ${given} entries and the kernel ${pieces.map(shown).join(", ")} takes ${width}`,
      swapped
        ? `Compile the loss with { kernelShape: "${other}" }, or transpose the kernel`
        : `Give hidden states [..., D] and a kernel ${kernelShape} of the same D`,
    );
  }
  if (bias !== undefined) {
    checkPart(`${prefix}bias`, bias, "Give a tensor [V]");
    if (bias.rank !== 1 || bias.size !== classes)
      throw new LossError(
        `${prefix}bias`,
        `it has shape ${shown(bias)} beside ${classes} classes`,
        "Give a tensor [V]",
      );
  }
  return { shape: hidden.shape.slice(0, -1), classes, width };
}

/** A float32 tensor that is still there. */
function checkPart(where: string, x: unknown, remedy: string): asserts x is tf.Tensor {
  checkTensor(where, x, remedy);
  if (x.dtype !== "float32") throw new LossError(where, `it has dtype ${x.dtype}`, `${remedy}, float32`);
}

const shown = ({ shape }: tf.Tensor): string => `[${shape.join(", ")}]`;

/** A kernel that the device does not bind whole is refused, with the way to split it. */
function checkBinding(where: string, piece: tf.Tensor, kernelShape: KernelShape): void {
  const largest = largestBinding();
  const bytes = 4 * piece.size;
  if (largest === null || bytes <= largest) return;
  const axis = kernelShape === "[D, V]" ? 0 : 1;
  const width = piece.shape[axis] as number;
  const each = Math.floor((largest * width) / bytes);
  throw new LossError(
    where,
    `${shown(piece)} takes ${bytes} bytes, and the device binds ${largest} at most`,
    each > 0
      ? `Keep it in ${Math.ceil(width / each)} pieces along D of at most ${each} each and give them as a list: kernel: [first, second, …]`
      : "Use fewer classes",
  );
}
