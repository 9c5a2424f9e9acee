/** What the two ways of weighing a loss by a trained uncertainty share: the combinator, and the sum of tensors. */
import { LossError } from "./error.ts";
import { finite } from "./schedule.ts";

/** Options of a loss that is weighed by its uncertainty. */
export interface UncertaintyOptions {
  /** The log variance that training starts from; 0 by default. */
  readonly init?: number;
  /**
   * "regression", the default: ½ e^−s L + s / 2, for squared errors. "classification": e^−s L + s / 2, for cross entropies,
   * whose logits the variance e^s divides.
   */
  readonly form?: "regression" | "classification";
}

/** The options of a loss with their defaults, and what e^−s L is multiplied by. */
export function readUncertainty(
  options: UncertaintyOptions,
  where: string,
): { readonly init: number; readonly share: number } {
  if (typeof options !== "object" || options === null) {
    throw new LossError(where, `got ${String(options)}`, 'Give { init, form }, such as { form: "classification" }');
  }
  const { init = 0, form = "regression" } = options;
  if (form !== "regression" && form !== "classification") {
    throw new LossError(`${where}: form`, `got ${JSON.stringify(form)}`, 'Give "regression" or "classification"');
  }
  return { init: finite(init, `${where}: init`), share: form === "regression" ? 0.5 : 1 };
}
