import * as tf from "@tensorflow/tfjs";
import { chooseKernel } from "../../kernels/choose.ts";
import { hasScale } from "../gradients.ts";
import type { Plan } from "../plan.ts";
import { ofKind, viewInputs } from "../state.ts";

/**
 * How many buffers of the size of a block of logits are held at a time, at most: the logits, their gradient, soft labels and a
 * teacher's logits; and more where ordinary ops work on them. The numbers of ordinary ops are measured ones.
 */
export function heldBlocks(plan: Plan): number {
  const beside = (plan.targets === "soft" ? 1 : 0) + (plan.teacher ? 1 : 0);
  const ofKernel = isFused(plan) ? 2 : beside === 0 ? 11 : 26;
  const ofOthers = [
    ofKind(plan, "classwise").size > 0 ? 25 : 0,
    ofKind(plan, "wholeRow").size > 0 ? 12 : 0,
    [...plan.parameters.keys()].some((name) => hasScale(plan, name)) ? 9 : 0,
  ];
  return Math.max(ofKernel, ...ofOthers) + beside;
}

function isFused(plan: Plan): boolean {
  return tf.getBackend() === undefined || chooseKernel(viewInputs(plan)).because === null;
}
