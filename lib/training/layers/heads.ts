/** A head for each output of a model. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";
import { type AnyLoss, type Input, inputOf, type Kind, type Loss } from "../../loss/loss.ts";
import type { Metric } from "../metric.ts";
import { disposeHead, type Head, makeHead } from "../objective.ts";
import { checkActivation } from "./lastActivation.ts";
import type { WithLossOptions } from "./options.ts";
import { buildIfNeeded, inOrder, type PerName } from "./perOutput.ts";

export type ReducedLoss = Loss<Input, Exclude<Kind, "already reduced per token">>;

export function headsOf(
  model: tf.LayersModel,
  loss: ReducedLoss | readonly ReducedLoss[] | Readonly<Record<string, ReducedLoss>>,
  options: WithLossOptions,
  where: string,
): readonly Head[] {
  if (!(model instanceof tf.LayersModel)) {
    throw new LossError(where, "the model is no tf.LayersModel", "Give one, or use trainStep for other models");
  }
  if (typeof options !== "object" || options === null) {
    throw new LossError(where, `got ${String(options)} for options`, "Give { optimizer }");
  }
  buildIfNeeded(model);
  const names = model.outputNames;
  const losses = inOrder<AnyLoss>(loss as PerName<AnyLoss>, names, isLoss, `${where}, loss`) as readonly AnyLoss[];
  const { lossWeights, metrics = [], terms = [] } = options;
  const isNumeric = (weight: unknown): boolean =>
    typeof weight === "number" || (typeof weight === "object" && weight !== null && "kind" in weight);
  const weights =
    lossWeights === undefined
      ? names.map(() => 1)
      : inOrder(lossWeights, names, isNumeric, `${where}, lossWeights`, true);
  const heads: Head[] = [];
  try {
    names.forEach((name, i) => {
      checkActivation(losses[i], model.outputs[i], name, where);
      const own = ofOutput<Metric>(metrics, name, names, `${where}, metrics`);
      const ownTerms = ofOutput<string>(terms, name, names, `${where}, terms`);
      const weight = weights[i] ?? 1;
      heads.push(makeHead(name, losses[i], where, { weight, metrics: own, terms: ownTerms }));
    });
  } catch (error) {
    heads.forEach(disposeHead);
    throw error;
  }
  return heads;
}

function isLoss(loss: unknown): boolean {
  return typeof loss === "object" && loss !== null && "terms" in loss && inputOf(loss as AnyLoss) !== undefined;
}

/** A list that is the same for all outputs, or one by the output's name. */
function ofOutput<T>(
  given: readonly T[] | Readonly<Record<string, readonly T[]>>,
  name: string,
  names: readonly string[],
  where: string,
): readonly T[] {
  if (Array.isArray(given)) return given as readonly T[];
  const record = given as Readonly<Record<string, readonly T[]>>;
  const unknown = Object.keys(record).find((key) => !names.includes(key));
  if (unknown === undefined) return record[name] ?? [];
  throw new LossError(where, `there is no output of the name ${unknown}`, `The names are ${names.join(", ")}`);
}
