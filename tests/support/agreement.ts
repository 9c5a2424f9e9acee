/** How well a compiled composition agrees with the float64 reference. */
import { evaluate, evaluateGradient, LossError } from "lossmith";
import type { Case, Composition, RandomBatch } from "./arbitraries.ts";
import { runCompiled } from "./compiled.ts";
import { distance, flat } from "./distance.ts";
import { gradientSize, valueSize } from "./gradientSize.ts";

/** The reference, or the text of its LossError. */
export function reference(
  { loss }: Composition,
  { plain }: RandomBatch,
): { readonly value: number[]; readonly gradient: number[] } | string {
  try {
    return { value: flat(evaluate(loss as never, plain)), gradient: flat(evaluateGradient(loss, plain)) };
  } catch (error) {
    if (error instanceof LossError) return error.message;
    throw error;
  }
}

/** The distances of a value and a gradient, or what was said of a batch that the reference refuses. */
export type Agreement =
  | { readonly value: number; readonly gradient: number }
  | { readonly refused: string; readonly compiled: string };

/** Distances are relative to the largest entry, or to the size of the parts that it is a small difference of. */
export async function agreementOf({ composition, batch }: Case): Promise<Agreement> {
  const expected = reference(composition, batch);
  const run = runCompiled(composition.loss, batch.plain, [...batch.shape, batch.classes]);
  if (typeof expected === "string") {
    const compiled = await run.then(
      () => "no error",
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    return { refused: expected, compiled };
  }
  const { value, gradient } = await run;
  const ofLogits = toLogits({ composition, batch });
  // float32 has fewer digits below 1e-38.
  const [valueParts, gradientParts] = [valueSize, gradientSize].map((size) =>
    Math.max(1e-33, size(composition.loss, batch.plain)),
  );
  return {
    value: distance(value, expected.value, valueParts),
    gradient: distance(ofLogits(gradient), ofLogits(expected.gradient), gradientParts),
  };
}

/** The gradient of a probability p as that of log p, p ∂loss/∂p: the parts of one are as large as those of the other over p. */
function toLogits({
  composition: { loss },
  batch: { plain },
}: Case): (gradient: readonly number[]) => readonly number[] {
  if (!loss.probabilities) return (gradient) => gradient;
  const probabilities = flat(plain.logits);
  return (gradient) => gradient.map((x, i) => x * probabilities[i]);
}
