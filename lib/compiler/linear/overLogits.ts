import { LossError } from "../../loss/error.ts";
import type { Plan } from "../plan.ts";

/** Throws for a loss that has no linear form: one over values, or over probabilities. */
export function checkOverLogits({ targets, probabilities }: Plan, where: string): void {
  if (targets === "values") {
    throw new LossError(where, "a loss over values has no output layer to be fused with", "Use compile");
  }
  if (!probabilities) return;
  throw new LossError(
    where,
    "the loss is over probabilities, and a linear layer gives logits",
    "Leave fromProbabilities out, and the model's softmax too",
  );
}
