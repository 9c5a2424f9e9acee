/**
 * The linear form in one sweep: where the loss is a scalar whose denominators come from labels and weights, a block of
 * logits gives its part of the value and of every gradient at once, three products in all.
 */
import * as tf from "@tensorflow/tfjs";
import { sumOfScalars } from "../../kernels/sums.ts";
import { atomsOf } from "../../loss/expression.ts";
import { bind, reachedNumerators } from "../execute.ts";
import { directGradient, reachedStatistics } from "../gradients.ts";
import type { Plan } from "../plan.ts";
import { tidied } from "../saved.ts";
import { combineTerms, narrowRunner, sharesOf } from "../values.ts";
import { blockPass, type Gradients, joinedGradients } from "./blockPass.ts";
import { type HeadGradients, noGradients, sumsOf, type Wanted, withRowsOf } from "./head.ts";
import type { LinearRun } from "./linearRun.ts";
import { rowsOfBlock } from "./rowBlocks.ts";

/** Whether one sweep gives a loss and its gradients. */
export function isOneSweep(plan: Plan): boolean {
  const ofLogits = plan.denominators.flatMap(atomsOf).some((a) => a.kind === "statistic" && isOfLogits(a.statistic));
  return !plan.aggregates && !plan.perToken && !ofLogits;
}

function isOfLogits(statistic: object): boolean {
  return "view" in statistic && (statistic.view as { of: string }).of === "logits";
}

/** The value of a loss, with the gradients that are wanted. */
export interface Swept extends Gradients {
  readonly value: tf.Scalar;
}

/** What a block has given, with the gradients of those before it. */
interface Block {
  readonly value: tf.Scalar;
  readonly gradients: HeadGradients;
  readonly parameters: readonly tf.Scalar[];
}

/** `wanted` is null where nobody wants a gradient. The tensors belong to the surrounding tidy. */
export function oneSweep(run: LinearRun, denominators: tf.Tensor1D, wanted: Wanted | null): Swept {
  const { loss, plan, whole, blocks, tiles } = run;
  const names = wanted === null ? [] : [...plan.parameters.keys()];
  const shares = sharesOf(plan, denominators);
  const reached = { numerators: reachedNumerators(plan, "loss", shares, tf.scalar(1)), denominators: [] };
  const values: tf.Scalar[] = [];
  let gradients = noGradients(whole.head, wanted ?? { hidden: false, kernel: false, bias: false }, tiles);
  const parameters: tf.Scalar[][] = names.map(() => []);
  // A field that cannot be is told where no row is read, too.
  if (blocks.blocks.length === 0) {
    tf.tidy(() => {
      bind(loss, plan, rowsOfBlock(whole, new Int32Array(0)).rows, loss.variables);
    });
  }
  for (const block of blocks.blocks) {
    const before = sumsOf(gradients);
    const swept = tidied((): Block => {
      const { state, backward } = blockPass(run, block);
      const value = combineTerms(narrowRunner(plan, state).totals(plan.numerators), shares);
      if (wanted === null) return { value, gradients: before, parameters: [] };
      const { gradients: added, scales } = backward(reachedStatistics(plan, state, reached), before);
      return {
        value,
        gradients: added,
        parameters: names.map((name, i) => sumOfScalars([...directGradient(plan, state, reached, name), ...scales[i]])),
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
    ...joinedGradients(run, gradients),
    parameters: wanted === null ? null : parameters.map(sumOfScalars),
  };
}
