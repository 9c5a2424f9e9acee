/** A block whose rows of logits exist whole. */
import { bind } from "../execute.ts";
import { hasScale, ofModel, scaleGradient, wideGradient } from "../gradients.ts";
import { tidied } from "../saved.ts";
import { forwardState } from "../state.ts";
import { addToColumns, addToHidden, headLogits, sideBySide } from "./head.ts";
import type { BlockPass, LinearRun } from "./linearRun.ts";
import { rowsOfBlock } from "./rowBlocks.ts";

export function wholeRowsPass({ loss, plan, whole }: LinearRun, block: Int32Array | null): BlockPass {
  const { head } = whole;
  const { rows, hidden, wide } = rowsOfBlock(whole, block);
  const bound = bind(loss, plan, { ...rows, ...wide(null) }, loss.variables);
  const logits = headLogits(head, hidden);
  const state = tidied(() => forwardState(plan, bound, logits));
  return {
    state,
    backward: (reached, before) => {
      const gradientOf = (keys: readonly string[]) => wideGradient(plan, state, keys, reached);
      const gradient = gradientOf(ofModel(plan));
      return {
        gradients: {
          hidden: before.hidden === null ? null : [...before.hidden, sideBySide(addToHidden(null, head, gradient))],
          columns: before.columns.map((total) => addToColumns(total, head, hidden, gradient)),
        },
        scales: [...plan.parameters.keys()].map((name) =>
          hasScale(plan, name) ? [scaleGradient(plan, state, name, gradientOf)] : [],
        ),
      };
    },
  };
}
