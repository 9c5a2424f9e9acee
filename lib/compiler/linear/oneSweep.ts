/**
 * The linear form in one sweep: where the loss is a scalar whose denominators come from labels and weights, a block of
 * logits gives its part of the value and of every gradient at once, three products in all.
 */
import * as tf from "@tensorflow/tfjs";
import { sumOf, sumOfScalars } from "../../kernels/sums.ts";
import { atomsOf } from "../../loss/expression.ts";
import { bind, type Executable, reachedNumerators, runForward, type Saved } from "../execute.ts";
import { inputGradient, parameterGradient } from "../gradients.ts";
import type { Plan } from "../plan.ts";
import { tidied } from "../saved.ts";
import { stateWithoutLogits } from "../state.ts";
import { narrowRunner } from "../values.ts";
import { addGradients, type HeadGradients, headLogits, noGradients, sumsOf, type Wanted, withRowsOf } from "./head.ts";
import type { LinearRows } from "./linearBatch.ts";
import { joined, rowsOf, type Tiles, tileOf, tilesOf } from "./tiles.ts";

/** Whether one sweep gives a loss and its gradients. */
export function isOneSweep(plan: Plan): boolean {
  const ofLogits = plan.denominators.flatMap(atomsOf).some((a) => a.kind === "statistic" && isOfLogits(a.statistic));
  return !plan.aggregates && !plan.perToken && !ofLogits;
}

function isOfLogits(statistic: object): boolean {
  return "view" in statistic && (statistic.view as { of: string }).of === "logits";
}

/** The value of a loss, with the gradients that are wanted. */
export interface Swept {
  readonly value: tf.Scalar;
  /** [N, D]. */
  readonly hidden: tf.Tensor2D | null;
  readonly pieces: readonly tf.Tensor2D[] | null;
  /** [V]. */
  readonly bias: tf.Tensor1D | null;
  readonly parameters: readonly tf.Scalar[] | null;
}

/** What the blocks up to one have given. */
interface Block {
  readonly value: tf.Scalar;
  readonly gradients: HeadGradients;
  readonly parameters: readonly tf.Scalar[];
}

/** `wanted` is null where nobody wants a gradient. The tensors belong to the surrounding tidy. */
export function oneSweep(
  loss: Executable,
  plan: Plan,
  whole: LinearRows,
  tiles: Tiles,
  denominators: tf.Tensor1D,
  wanted: Wanted | null,
): Swept {
  const names = wanted === null ? [] : [...plan.parameters.keys()];
  const values: tf.Scalar[] = [];
  let gradients: HeadGradients = noGradients(whole.head, wanted ?? { hidden: false, kernel: false, bias: false });
  const parameters: tf.Scalar[][] = names.map(() => []);
  // A field that cannot be is told where no row is read, too.
  if (tiles.blocks.length === 0) {
    tf.tidy(() => {
      bind(loss, plan, rowsOf(whole, new Int32Array(0)), loss.variables);
    });
  }
  for (const block of tiles.blocks) {
    const before = sumsOf(gradients);
    const swept = tidied((): Block => {
      const { rows, hidden } = tileOf(whole, block);
      const bound = bind(loss, plan, rows, loss.variables);
      const logits = headLogits(whole.head, hidden);
      const { value, saved } = tidied(() => runForward(plan, bound, logits, denominators, "loss"));
      if (wanted === null) return { value: value as tf.Scalar, gradients: before, parameters: [] };
      const reached = { numerators: reachedNumerators(plan, "loss", saved as Saved, tf.scalar(1)), denominators: [] };
      return {
        value: value as tf.Scalar,
        gradients: addGradients(before, whole.head, hidden, inputGradient(plan, saved.state, reached)),
        parameters: names.map((name) => parameterGradient(plan, saved.state, reached, name)),
      };
    });
    values.push(swept.value);
    gradients = withRowsOf(gradients, swept.gradients);
    swept.parameters.forEach((part, i) => {
      parameters[i].push(part);
    });
  }
  return {
    value: sumOfScalars(values),
    ...joinedGradients(whole, tiles, gradients),
    parameters: wanted === null ? null : parameters.map(sumOfScalars),
  };
}

/** The gradients of the parts of a layer in the shape that each has there. */
export function joinedGradients(
  { head }: LinearRows,
  tiles: Tiles,
  { hidden, pieces, bias }: HeadGradients,
): Pick<Swept, "hidden" | "pieces" | "bias"> {
  return {
    hidden: hidden === null ? null : (joined(tiles, hidden, head.hidden.shape[1]) as tf.Tensor2D),
    pieces,
    bias: bias === null ? null : bias.flatten(),
  };
}

/**
 * What each term's numerator is divided by, [terms], from what a batch has beside its logits. Rows of weight 0 count in a
 * mean. Only what is made as wide as the vocabulary is taken in blocks.
 */
export function sweptDenominators(loss: Executable, plan: Plan, whole: LinearRows, rowsOfBlock: number): tf.Tensor1D {
  const { targets, teacher } = whole.rows;
  // With no row the fields are still checked.
  const isNarrow = whole.rows.count === 0 || [targets, teacher, whole.sparse, whole.teacher].every((x) => x === null);
  const { blocks } = isNarrow ? { blocks: [null] } : tilesOf({ ...whole.rows, read: null }, rowsOfBlock);
  const parts = blocks.map((block) =>
    tf.tidy(() => {
      const bound = bind(loss, plan, rowsOf(whole, block), loss.variables);
      return narrowRunner(plan, stateWithoutLogits(plan, bound)).totals(plan.denominators);
    }),
  );
  return sumOf(parts);
}
