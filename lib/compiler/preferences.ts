/** Batches for losses on preferences, of log-probabilities of responses, made with ops that tapes see. */
import * as tf from "@tensorflow/tfjs";
import { showRow } from "../loss/batch.ts";
import { LossError } from "../loss/error.ts";
import { checkTensor, describe, isHostBackend } from "./entries.ts";

/** The log-probabilities of chosen and rejected responses: row i of one belongs to row i of the other. */
export interface PairOfResponses {
  /** [...] */
  readonly chosen: tf.Tensor;
  /** [...] */
  readonly rejected: tf.Tensor;
}

/** What `preferencePairs` takes. */
export interface PreferencePairs extends PairOfResponses {
  /** Those of the reference model, for the losses that read them; constants to gradients. Zeros by default. */
  readonly reference?: PairOfResponses;
}

/** The log-probabilities of responses, and of responses that belong to other prompts. */
export interface ResponsesToRate {
  /** [...] */
  readonly responses: tf.Tensor;
  /** [...], of the responses to other prompts, given the row's own: each row's neighbour, say. */
  readonly mismatched: tf.Tensor;
}

/** What `unpairedPreferences` takes. */
export interface UnpairedPreferences extends ResponsesToRate {
  /** Those of the reference model; constants to gradients. */
  readonly reference: ResponsesToRate;
  /** true for the responses that are desirable, in the order of the rows. */
  readonly desirable: readonly boolean[];
}

/** A batch for losses on preferences. */
export interface PreferenceBatch {
  /** The policy's log-probabilities, [..., 2]. */
  readonly predictions: tf.Tensor;
  /** The reference model's, [..., 2]. */
  readonly targets: tf.Tensor;
}

/** The same with what a loss on single responses knows of each. */
export interface RatedBatch extends PreferenceBatch {
  readonly inputs: { readonly desirable: tf.Tensor };
}

/**
 * The batch of pairs of a chosen and a rejected response, for `dpo`, `ipo`, `simPO` and `orpo`. Gradients reach the
 * policy's log-probabilities; the reference model's are constants. The tensors are yours to dispose, as those of any operation.
 *
 * Shapes: all [...] and one shape, of rank 1 at least; the batch's [..., 2]. None is stretched to another.
 *
 * @throws LossError where they are not float32 tensors of one shape, and where a number that the host sees is above 0:
 * the logarithm of no probability.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { compile, crossEntropy, dpo, ignoreIndex, pipe, preferencePairs, sequenceLogProbabilities } from "lossmith";
 * import { expect } from "expect";
 *
 * const logProbabilities = sequenceLogProbabilities(pipe(crossEntropy, ignoreIndex(-100)));
 * const loss = compile(dpo({ beta: 0.1 }));
 * // A model of two parameters for a vocabulary of two; prompts are −100 in the labels.
 * const [policy, frozen] = [tf.variable(tf.zeros([1, 1, 2])), tf.zeros([1, 1, 2])];
 * const score = (model: tf.Tensor, labels: number[][]) =>
 *   logProbabilities({ logits: tf.tile(model, [1, 3, 1]), labels });
 * const [chosen, rejected] = [[[-100, 0, 0]], [[-100, 1, -100]]];
 * const reference = { chosen: score(frozen, chosen), rejected: score(frozen, rejected) };
 * const step = () =>
 *   loss(preferencePairs({ chosen: score(policy, chosen), rejected: score(policy, rejected), reference }));
 *
 * const optimizer = tf.train.sgd(1);
 * expect(step().dataSync()[0]).toBeCloseTo(Math.LN2, 6);
 * for (let i = 0; i < 20; i++) optimizer.minimize(step);
 * expect(step().dataSync()[0]).toBeLessThan(0.6);
 * ```
 */
export function preferencePairs(pairs: PreferencePairs): PreferenceBatch {
  const remedy = "Give { chosen, rejected, reference? }, float32 tensors [...] of one shape";
  checkObject("preferencePairs", pairs, remedy);
  const { chosen, rejected, reference } = pairs;
  if (reference !== undefined) checkObject("preferencePairs({ reference })", reference, "Give { chosen, rejected }");
  const constants = reference === undefined ? {} : named("reference", reference, ["chosen", "rejected"]);
  checkLogProbabilities("preferencePairs", { chosen, rejected, ...constants }, remedy);
  const predictions = tf.stack([chosen, rejected], -1);
  return {
    predictions,
    targets: reference === undefined ? tf.zeros(predictions.shape) : fixed([reference.chosen, reference.rejected]),
  };
}

/**
 * The batch of single responses that are desirable or not, for `kto`. Gradients reach the policy's log-probabilities of
 * the responses; the reference model's are constants. The tensors are yours to dispose, as those of any operation.
 *
 * Shapes: all [...] and one shape, of rank 1 at least; the batch's [..., 2].
 *
 * @throws LossError where they are not float32 tensors of one shape, where a number that the host sees is above 0, and
 * where `desirable` is not a boolean for each row.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { compile, kto, unpairedPreferences } from "lossmith";
 * import { expect } from "expect";
 *
 * const [responses, mismatched] = [tf.tensor1d([-5, -6]), tf.tensor1d([-9, -9])];
 * const batch = unpairedPreferences({ responses, mismatched, reference: { responses, mismatched }, desirable: [true, false] });
 * expect(compile(kto())(batch).dataSync()[0]).toBeCloseTo(0.5, 6);
 * ```
 */
export function unpairedPreferences(rated: UnpairedPreferences): RatedBatch {
  const where = "unpairedPreferences";
  const remedy = "Give { responses, mismatched, reference, desirable }, float32 tensors [...] of one shape";
  checkObject(where, rated, remedy);
  const { responses, mismatched, reference, desirable } = rated;
  checkObject(`${where}({ reference })`, reference, "Give { responses, mismatched }");
  const constants = named("reference", reference, ["responses", "mismatched"]);
  checkLogProbabilities(where, { responses, mismatched, ...constants }, remedy);
  const { size, shape } = responses;
  if (!Array.isArray(desirable) || desirable.length !== size || desirable.some((x) => typeof x !== "boolean")) {
    throw new LossError(`${where}({ desirable })`, "it does not fit the responses", `Give ${size} booleans`);
  }
  return {
    predictions: tf.stack([responses, mismatched], -1),
    targets: fixed([reference.responses, reference.mismatched]),
    inputs: { desirable: tf.tensor(desirable.map(Number), shape, "float32") },
  };
}

/** Side by side, and no part of anybody's tape. */
function fixed(columns: readonly tf.Tensor[]): tf.Tensor {
  return tf.customGrad(() => ({ value: tf.stack([...columns], -1), gradFunc: () => [] }))();
}

function named<K extends string>(
  of: string,
  tensors: Readonly<Record<K, tf.Tensor>>,
  keys: readonly K[],
): Readonly<Record<string, tf.Tensor>> {
  return Object.fromEntries(keys.map((key) => [`${of}.${key}`, tensors[key]]));
}

function checkObject(where: string, x: unknown, remedy: string): void {
  if (typeof x === "object" && x !== null && !(x instanceof tf.Tensor)) return;
  throw new LossError(where, `got ${describe(x)}`, remedy);
}

/** Throws where the tensors are not log-probabilities of one shape. */
function checkLogProbabilities(where: string, tensors: Readonly<Record<string, tf.Tensor>>, remedy: string): void {
  for (const [name, x] of Object.entries(tensors)) {
    checkTensor(`${where}({ ${name} })`, x, remedy);
    if (x.dtype !== "float32") throw new LossError(`${where}({ ${name} })`, `it has dtype ${x.dtype}`, remedy);
  }
  const shapes = Object.entries(tensors).map(([name, { shape }]) => `${name} [${shape.join(", ")}]`);
  const [first] = Object.values(tensors);
  const differ = Object.values(tensors).some(({ shape }) => shape.join() !== first.shape.join());
  if (differ || first.rank === 0) throw new LossError(where, `the shapes are ${shapes.join(", ")}`, remedy);
  if (!isHostBackend()) return;
  for (const [name, x] of Object.entries(tensors)) {
    const values = x.dataSync();
    const row = values.findIndex((value: number) => value > 0);
    if (row < 0) continue;
    throw new LossError(
      `${where}({ ${name} })`,
      `the log-probability of row ${showRow(row, x.shape)} is ${values[row]}`,
      "Give logarithms of probabilities, which are at most 0: a sum of cross entropies is their negative",
    );
  }
}
