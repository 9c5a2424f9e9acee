/**
 * Runs a plan on a batch: one wide pass over the logits forward, narrow arithmetic on one number a row, one wide pass
 * back. The gradient is symbolic, so only vectors [N] are kept for it beside the logits. For a loss over values read
 * predictions for logits.
 *
 * The core is differentiable with respect to the logits and the trainable parameters. Soft labels, targets and sample weights
 * are added as terms that are 0 and carry their gradient: its work is done only if somebody asks for it.
 */
import * as tf from "@tensorflow/tfjs";
import { type RowNumbers, tensorOf } from "../kernels/column.ts";
import { total } from "../kernels/sums.ts";
import { type LabelFact, type LabelReading, labelReadingOfAtoms } from "../loss/candidates.ts";
import { LossError } from "../loss/error.ts";
import { evaluateField } from "../loss/field.ts";
import type { Input } from "../loss/loss.ts";
import { type Batch, hasSoftLabels, type RowEntries, type Rows, readBatch, readBatchWithoutLogits } from "./batch.ts";
import { checkTensor, describe } from "./entries.ts";
import {
  inputGradient,
  labelsGradient,
  parameterGradient,
  sampleWeightGradient,
  targetsGradient,
} from "./gradients.ts";
import { listOf, type Narrow, narrowAtomsOf } from "./narrow.ts";
import type { Parts } from "./parts.ts";
import type { Plan } from "./plan.ts";
import { logitsOf, throughLog } from "./probabilities.ts";
import { detachTensors } from "./saved.ts";
import { type Bound, bindBatch, forwardState, type ParameterValues, type State, stateWithoutLogits } from "./state.ts";
import type { Tables } from "./tables.ts";
import { combineTerms, narrowRunner, type Reached, sharesOf } from "./values.ts";
import { checkPredictions, readValues, readValuesWithoutPredictions, type ValuesBatch } from "./valuesBatch.ts";

type AnyBatch = Batch | ValuesBatch;

/** A batch without its logits or predictions. */
export interface WithoutInput {
  readonly logits: Omit<Batch, "logits">;
  readonly values: Omit<ValuesBatch, "predictions">;
}

/** A loss that is ready to run. */
export interface Executable {
  readonly input: Input;
  /** The plan for labels of this kind; a loss over values has one. */
  readonly plan: (labels: "integer" | "soft") => Plan;
  /** Whether batches are checked on the host even where that waits for the device. */
  readonly check: boolean;
  readonly tables: Tables;
  readonly variables: ReadonlyMap<string, tf.Variable<tf.Rank.R0>>;
}

/** The loss of a batch: a scalar, or one number for each row in the shape of the labels. */
export function executeLoss(loss: Executable, batch: AnyBatch): tf.Tensor {
  return tf.tidy(() => {
    const plan = planOf(loss, batch);
    return differentiable(loss, plan, batch, plan.perToken ? "perToken" : "loss");
  });
}

/** A loss and the value of each of its terms, by name: a container of tensors for `tf.tidy` and `tf.dispose`. */
export type TermValues<Value extends tf.Tensor = tf.Tensor> = {
  readonly value: Value;
  readonly terms: Readonly<Record<string, Value>>;
};

/** The loss of a batch and its terms, all differentiable: the loss is the sum of what the terms are parts of. */
export function executeTerms(loss: Executable, batch: AnyBatch): TermValues {
  const result = tf.tidy(() => {
    const plan = planOf(loss, batch);
    const { termNames, perToken } = plan;
    // A loss without a term is still connected to the logits.
    if (termNames.length === 0) return { value: executeLoss(loss, batch), terms: {} };
    const values = differentiable(loss, plan, batch, perToken ? "terms per token" : "terms");
    const [, ...shape] = values.shape;
    const parts = termNames.map((_, i) => tf.slice(values, [i], [1]).reshape(shape));
    const named = [...new Set(termNames)].map((name) => {
      return [name, added(parts.filter((_, i) => termNames[i] === name))] as const;
    });
    const value = perToken ? added(parts) : total(values as tf.Tensor1D);
    return { value, terms: Object.fromEntries(named) };
  });
  return result as TermValues;
}

/** Not by tf.addN, which wants a row on some backends. */
function added(parts: readonly tf.Tensor[]): tf.Tensor {
  return parts.reduce((sum, part) => tf.add(sum, part));
}

/** The parts of a batch; the numerators are differentiable. */
export function executeParts(loss: Executable, batch: AnyBatch): Parts {
  const parts = tf.tidy(() => {
    const plan = planOf(loss, batch);
    refuseParts(plan, "parts");
    const numerators = differentiable(loss, plan, batch, "numerators") as tf.Tensor1D;
    return { numerators, denominators: constantOf(() => denominators(loss, plan, readRows(loss, plan, batch))) };
  });
  return parts as Parts;
}

/** The denominators of a batch, [terms], which do not look at the logits. */
export function executeDenominators(loss: Executable, batch: WithoutInput[Input]): tf.Tensor1D {
  return constantOf(() => {
    const whole = loss.plan("integer");
    refuseParts(whole, "denominators");
    const { denominators: read } = whole;
    const integer = { ...whole, look: loss.check, inputs: inputsOf(read), beside: labelReadingIn(read) };
    if (loss.input === "values") {
      const withPredictions = (batch as ValuesBatch | null)?.predictions instanceof tf.Tensor;
      const values = batch as ValuesBatch;
      return denominators(
        loss,
        integer,
        withPredictions ? readValues(integer, values) : readValuesWithoutPredictions(integer, values),
      );
    }
    const withLogits = (batch as Batch | null)?.logits instanceof tf.Tensor;
    const rows = withLogits ? readBatch(integer, batch as Batch) : readBatchWithoutLogits(integer, batch as Batch);
    return denominators(loss, rows.targets === null ? integer : loss.plan("soft"), rows);
  });
}

/** The names of the inputs that expressions read. */
function inputsOf(expressions: readonly Narrow[]): readonly string[] {
  const names = expressions.flatMap(narrowAtomsOf).flatMap((a) => (a.kind === "input" ? [a.name] : []));
  return [...new Set(names)];
}

/** The ids beside the label that expressions read. */
function labelReadingIn(expressions: readonly Narrow[]): LabelReading {
  const facts = expressions
    .flatMap(narrowAtomsOf)
    .filter((a): a is LabelFact => a.kind === "isCandidate" || a.kind === "inRepeat");
  return labelReadingOfAtoms(facts);
}

/** The loss that parts make. */
export function combineParts(plan: Plan, parts: Parts): tf.Scalar {
  checkParts(plan, parts);
  return tf.tidy(() =>
    combineTerms(
      parts.numerators,
      constantOf(() => sharesOf(plan, parts.denominators)),
    ),
  );
}

function checkParts({ terms }: Plan, parts: Parts): void {
  const remedy = `Give the sums of what loss.parts gives: { numerators, denominators }, [${terms.length}] each`;
  if (typeof parts !== "object" || parts === null) throw new LossError("parts", `got ${describe(parts)}`, remedy);
  for (const name of ["numerators", "denominators"] as const) {
    const part = parts[name];
    checkTensor(name, part, remedy);
    if (part.rank === 1 && part.size === terms.length) continue;
    throw new LossError(name, `they have shape [${part.shape.join(", ")}]`, remedy);
  }
}

/** The value of a computation that no tape sees. */
export function constantOf<T extends tf.Tensor>(compute: () => T): T {
  return tf.tidy(() => {
    const value = tf.customGrad((...inputs: unknown[]) => ({
      value: compute(),
      gradFunc: () => tf.zerosLike(inputs[0] as tf.Tensor),
    }))(tf.scalar(0));
    return value as T;
  });
}

/** The plan for a batch, whose logits or predictions are checked with it. */
function planOf(loss: Executable, batch: AnyBatch): Plan {
  if (loss.input === "logits") return loss.plan(hasSoftLabels(batch as Batch) ? "soft" : "integer");
  const plan = loss.plan("integer");
  checkPredictions(plan, batch as ValuesBatch);
  return plan;
}

function readRows(loss: Executable, plan: Plan, batch: AnyBatch): Rows {
  const facts = { ...plan, look: loss.check };
  return loss.input === "values" ? readValues(facts, batch as ValuesBatch) : readBatch(facts, batch as Batch);
}

/** The logits or the predictions of a batch. */
function inputOf(batch: AnyBatch): tf.Tensor {
  return "predictions" in batch ? batch.predictions : batch.logits;
}

export function refuseParts(plan: Plan, name: string): void {
  if (plan.couplings.length > 0) {
    throw new LossError(
      name,
      `the loss has ${plan.couplings.join(" and ")}, so that its rows do not add up over parts of the batch`,
      "Give the whole batch at once, or leave out what couples its rows",
    );
  }
  if (!plan.perToken) return;
  throw new LossError(
    name,
    "a loss that ends in perToken is not a quotient of sums",
    "End it in sum, mean or weightedMean",
  );
}

export function denominators(loss: Executable, plan: Plan, rows: Rows): tf.Tensor1D {
  const bound = bind(loss, plan, rows, loss.variables);
  return narrowRunner(plan, stateWithoutLogits(plan, bound)).totals(plan.denominators);
}

/** Of several fields whose weights cannot be, the loss's first is told, whichever table is folded first. */
export function bind(loss: Executable, plan: Plan, rows: Rows, parameters: ParameterValues): Bound {
  try {
    return bindBatch(plan, rows, loss.tables, parameters);
  } catch (error) {
    if (error instanceof LossError) for (const field of plan.fields) evaluateField(field, rows.step);
    throw error;
  }
}

export type Output = "loss" | "perToken" | "terms" | "terms per token" | "numerators";

/** What a backward pass needs. */
interface Saved {
  readonly state: State;
  /** [N, V], where the batch gives them in place of logits. */
  readonly probabilities: tf.Tensor2D | null;
  /** [terms]; what each term's numerator is multiplied by in a loss. */
  readonly shares: tf.Tensor1D;
  readonly numerators: tf.Tensor1D;
}

/** Reads the batch and runs the plan where no tape sees it, so that what is not saved is freed at once. */
function differentiable(loss: Executable, plan: Plan, batch: AnyBatch, output: Output): tf.Tensor {
  const names = [...plan.parameters.keys()];
  const value: tf.Tensor = tf.customGrad((...inputs: unknown[]) => {
    const save = inputs.pop() as (tensors: tf.Tensor[]) => void;
    const [logits] = inputs as tf.Tensor[];
    const bound = bind(loss, plan, readRows(loss, plan, batch), loss.variables);
    const forward = runForward(plan, bound, logits, readDenominators(plan, batch), output);
    const { tensors, attach } = detachTensors(forward.saved);
    save(tensors);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
      refuseSecondOrder();
      const again = attach(saved);
      const reached = { numerators: reachedNumerators(plan, output, again.shares, dy), denominators: [] };
      const gradient = inputGradient(plan, again.state, reached);
      const { probabilities } = again;
      const dLogits = (probabilities === null ? gradient : throughLog(probabilities, gradient)).reshape(logits.shape);
      return [dLogits, ...names.map((name) => parameterGradient(plan, again.state, reached, name))];
    };
    return { value: forward.value, gradFunc: gradFunc as unknown as () => tf.Tensor };
  })(inputOf(batch), ...names.map((name) => loss.variables.get(name) as tf.Variable));
  const { sampleWeight } = batch;
  const carried: tf.Tensor[] = [];
  const carry = (input: tf.Tensor, gradient: CarriedGradient, readsAll = false): void => {
    carried.push(carryGradient(loss, plan, batch, output, value.shape, input, gradient, readsAll));
  };
  if (plan.targets === "soft" && "labels" in batch && batch.labels instanceof tf.Tensor)
    carry(batch.labels, labelsGradient);
  if ("targets" in batch && batch.targets instanceof tf.Tensor && batch.targets.dtype === "float32")
    carry(batch.targets, targetsGradient);
  // A row of weight 0 is not read otherwise, and has a gradient for its weight.
  if (sampleWeight instanceof tf.Tensor) carry(sampleWeight, sampleWeightGradient, true);
  return carried.reduce((sum, zero) => tf.add(sum, zero), value);
}

function runForward(
  plan: Plan,
  bound: Bound,
  logits: tf.Tensor,
  givenDenominators: tf.Tensor1D | null,
  output: Output,
): { readonly value: tf.Tensor; readonly saved: Saved } {
  const { rows } = bound;
  const given = logits.reshape<tf.Tensor2D>([rows.count, rows.classes]);
  const probabilities = plan.probabilities ? given : null;
  const state = forwardState(plan, bound, probabilities === null ? given : logitsOf(probabilities, rows));
  const runner = narrowRunner(plan, state);
  if (output === "perToken") {
    const ones = tf.ones<tf.Rank.R1>([plan.terms.length]);
    const [value] = runner.rows(listOf(plan.rowLoss));
    return { value: value.reshape([...rows.shape]), saved: { state, probabilities, shares: ones, numerators: ones } };
  }
  if (output === "terms per token") {
    const ones = tf.ones<tf.Rank.R1>([plan.terms.length]);
    const shape = [plan.terms.length, ...rows.shape];
    // A stack of no numbers cannot be sliced on cpu.
    const value = rows.count === 0 ? tf.zeros(shape) : tf.stack([...runner.rows(plan.numerators)]).reshape(shape);
    return { value, saved: { state, probabilities, shares: ones, numerators: ones } };
  }
  const numerators = runner.totals(plan.numerators);
  const shares = sharesOf(plan, givenDenominators ?? runner.totals(plan.denominators));
  return { value: reduced(output, numerators, shares), saved: { state, probabilities, shares, numerators } };
}

function reduced(output: Output, numerators: tf.Tensor1D, shares: tf.Tensor1D): tf.Tensor {
  if (output === "loss") return combineTerms(numerators, shares);
  return output === "terms" ? tf.mul(numerators, shares) : tf.clone(numerators);
}

/** The gradient that reaches each term's numerator, given that of the output. */
export function reachedNumerators(
  plan: Plan,
  output: Output,
  shares: tf.Tensor1D,
  dy: tf.Tensor,
): readonly RowNumbers[] {
  if (output === "perToken") return plan.terms.map(() => dy.flatten());
  if (output === "terms per token") {
    const within = dy.reshape([plan.terms.length, -1]);
    return plan.terms.map((_, index) => ({ within, as: "row", index }));
  }
  const within = output === "numerators" ? dy : tf.mul(dy, shares);
  return plan.terms.map((_, index) => ({ within, as: "entry", index }));
}

/** The gradient of an input, given what reaches each term's numerator and, with the sign turned, its denominator. */
type CarriedGradient = (plan: Plan, state: State, reached: Reached) => tf.Tensor;

/**
 * 0 in the shape of the value, with the gradient of an input other than the logits. The forward pass is run again for
 * it, so that an input that wants no gradient costs nothing.
 */
function carryGradient(
  loss: Executable,
  plan: Plan,
  batch: AnyBatch,
  output: Output,
  shape: number[],
  input: tf.Tensor,
  gradient: CarriedGradient,
  readsAll: boolean,
): tf.Tensor {
  const divided = (output === "loss" || output === "terms") && batch.denominators === undefined;
  return tf.customGrad((...inputs: unknown[]) => {
    const save = inputs.pop() as (tensors: tf.Tensor[]) => void;
    const rows = readRows(loss, plan, batch);
    const { tensors, attach } = detachTensors({
      logits: inputOf(batch),
      rows: readsAll ? { ...rows, read: rows.valid } : rows,
      given: readDenominators(plan, batch),
      parameters: loss.variables as ParameterValues,
    });
    save(tensors);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor => {
      refuseSecondOrder();
      const again = attach(saved);
      const bound = bind(loss, plan, again.rows, again.parameters);
      const forward = runForward(plan, bound, again.logits, again.given, output).saved;
      const numerators = reachedNumerators(plan, output, forward.shares, dy);
      const denominators = reachedDenominators(plan, divided, forward, numerators);
      return gradient(plan, forward.state, { numerators, denominators }).reshape(input.shape);
    };
    return { value: tf.zeros(shape), gradFunc };
  })(input);
}

/** −∂loss/∂denominator of each term: numerator / denominator² for a weighted mean, 0 for the rest. */
function reachedDenominators(
  plan: Plan,
  divided: boolean,
  saved: Saved,
  g: readonly RowNumbers[],
): readonly RowNumbers[] {
  const { shares, numerators } = saved;
  if (!divided || plan.terms.length === 0) return plan.terms.map(() => tf.scalar(0));
  const ratios = tf.unstack(tf.mul(shares, numerators));
  return plan.terms.map(({ reduction }, i) =>
    reduction === "weightedMean" ? tf.mul(tensorOf(g[i]), ratios[i]) : tf.scalar(0),
  );
}

export function readDenominators(
  plan: Plan,
  { denominators: given }: Pick<RowEntries, "denominators">,
): tf.Tensor1D | null {
  if (given === undefined) return null;
  const count = plan.terms.length;
  const remedy = `Give one number for each of the ${count} terms: the sum of what loss.denominators gives for each micro-batch`;
  refuseParts(plan, "denominators");
  if (given instanceof tf.Tensor) {
    checkTensor("denominators", given, remedy);
    if (given.rank === 1 && given.size === count) return given.toFloat();
    throw new LossError("denominators", `they have shape [${given.shape.join(", ")}]`, remedy);
  }
  if (Array.isArray(given) && given.length === count && given.every((x) => Number.isFinite(x) && x >= 0)) {
    return tf.tensor1d(given, "float32");
  }
  throw new LossError("denominators", `got ${Array.isArray(given) ? `[${given.join(", ")}]` : String(given)}`, remedy);
}

export function refuseSecondOrder(): void {
  if (!tf.engine().isTapeOn()) return;
  throw new LossError(
    "gradient",
    "a gradient of the gradient of a compiled loss was asked for",
    "Take first-order gradients alone; tf.grad inside tf.grad is not supported",
  );
}
