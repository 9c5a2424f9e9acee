/**
 * What is minimised: a compiled loss for each output of a model, and what is read of a batch beside the gradient. What is
 * read adds up over micro-batches and over the batches of an epoch.
 */
import * as tf from "@tensorflow/tfjs";
import { type Batches, type CompiledLoss, compile } from "../compiler/compile.ts";
import type { WithoutInput } from "../compiler/execute.ts";
import type { Plan } from "../compiler/plan.ts";
import { LossError } from "../loss/error.ts";
import { type AnyLoss, checkLoss, type Input, type Kind, type Loss } from "../loss/loss.ts";
import { at, isScheduled, lift, type Numeric } from "../loss/schedule.ts";
import type { Measure, Metric } from "./metric.ts";
import { batchOf, type Entries, rowsOf, validOf } from "./rows.ts";
import { scheduledParameters } from "./scheduled.ts";

/** The loss of one output. */
export interface Head {
  readonly name: string;
  readonly loss: AnyLoss;
  readonly compiled: CompiledLoss<tf.Scalar, Input>;
  /** What its value is multiplied by in the total. */
  readonly weight: Numeric;
  readonly measures: readonly { readonly name: string; readonly measure: Measure }[];
  /** The names of its terms in logs; empty where they are not logged. */
  readonly terms: readonly string[];
}

/** What a head is made with. */
export interface HeadOptions {
  readonly weight?: Numeric;
  readonly metrics?: readonly Metric[];
  readonly terms?: readonly string[];
}

/** What logs have in any case. */
const reserved = new Set(["loss", "tokens", "gradientNorm", "regularization", "skipped", "batch", "size"]);

export function makeHead(name: string, loss: AnyLoss, where: string, options: HeadOptions = {}): Head {
  const { weight = 1, metrics = [], terms = [] } = options;
  checkLoss(loss, where);
  if (typeof weight !== "number" || weight !== 1) lift(weight, `${where}, the weight of ${name}`);
  const compiled = compile(loss as Loss<Input, Exclude<Kind, "already reduced per token">>);
  const refuse = (what: string, remedy: string): never => {
    disposeCompiled(compiled);
    throw new LossError(where, what, remedy);
  };
  if (compiled.plan.perToken) {
    refuse("the loss ends in perToken, and a step minimises one number", "End it in sum, mean or weightedMean");
  }
  if (terms.length > 0 && compiled.plan.couplings.length > 0) {
    refuse("the terms of a loss with a batch mean do not add up over batches", "Leave { terms } out");
  }
  if (terms.length > 0 && terms.length !== compiled.plan.terms.length) {
    refuse(
      `${terms.length} names for the ${compiled.plan.terms.length} terms of the loss`,
      "Give { terms } one name for each term, in the order in which they were added",
    );
  }
  const names = [...terms, ...metrics.map((metric) => metric.name)];
  const twice = names.find((own, i) => reserved.has(own) || names.indexOf(own) !== i);
  if (twice !== undefined) {
    refuse(
      `logs would have two numbers of the name "${twice}"`,
      "Give each term and each metric a name of its own, other than those that logs have in any case",
    );
  }
  const measures = metrics.map((metric) => ({ name: metric.name, measure: metric.measure(loss) }));
  return { name, loss, compiled, weight, measures, terms };
}

export function disposeHead({ compiled, measures }: Head): void {
  disposeCompiled(compiled);
  for (const { measure } of measures) measure.dispose();
}

function disposeCompiled(compiled: CompiledLoss<tf.Scalar, Input>): void {
  compiled.dispose();
  for (const variable of compiled.variables.values()) if (!variable.isDisposed) variable.dispose();
}

/** The trainable parameters of all losses. */
export function parametersOfHeads(heads: readonly Head[]): tf.Variable[] {
  return heads.flatMap(({ compiled }) => [...compiled.variables.values()]);
}

/** What the scheduled parameters of all losses, and the scheduled weights of the losses, are at a step; by name. */
export function scheduledValues(heads: readonly Head[]): (step: number) => Readonly<Record<string, number>> {
  const prefixed = prefixes(heads);
  const schedules = heads.flatMap((head, i) => {
    const own = [...scheduledParameters(head.loss)].map(([name, schedule]) => [prefixed[i] + name, schedule] as const);
    const isFixed = typeof head.weight === "number" || !isScheduled(head.weight);
    return isFixed ? own : [...own, [`${head.name}_weight`, head.weight] as const];
  });
  return (step) => Object.fromEntries(schedules.map(([name, schedule]) => [name, at(schedule, step)]));
}

/** What the names of a head's numbers begin with in logs: nothing where there is one head. */
export function prefixes(heads: readonly Head[]): readonly string[] {
  return heads.map(({ name }) => (heads.length === 1 ? "" : `${name}_`));
}

/** The value of a head for a batch, and the vectors that logs are made of: numerators and denominators, [terms] each. */
export interface HeadValue {
  readonly value: tf.Scalar;
  readonly numerators: tf.Tensor1D;
  readonly denominators: tf.Tensor1D;
}

/** The value of a head; differentiable. A coupled loss has one numerator, its value times its valid rows. */
export function headValueOf(head: Head, batch: Batches[Input], denominators: tf.Tensor1D | null): HeadValue {
  const { compiled, loss } = head;
  if (compiled.plan.couplings.length > 0) {
    const value = compiled(batch);
    const rows = tf.sum(validOf(rowsOf(loss, compiled.plan, batch))).reshape<tf.Tensor1D>([1]);
    return { value, numerators: tf.mul(value, rows).reshape([1]), denominators: rows };
  }
  const parts = compiled.parts(batch);
  const value = compiled.combine(denominators === null ? parts : { numerators: parts.numerators, denominators });
  return { value, ...parts };
}

/** The denominators of a head over several micro-batches. */
export function denominatorsOf(head: Head, micro: readonly Entries[]): tf.Tensor1D {
  return tf.tidy(() => {
    const each = micro.map((entries) => head.compiled.denominators(withTeacherTensor(entries) as WithoutInput[Input]));
    return each.reduce((sum, x) => tf.add(sum, x));
  });
}

/** Without logits, an array of a teacher's logits does not show its classes to a compiled loss; a tensor does. */
function withTeacherTensor(entries: Entries): Entries {
  if (!("teacher" in entries) || !Array.isArray(entries.teacher)) return entries;
  return { ...entries, teacher: tf.tensor(entries.teacher as tf.TensorLike, undefined, "float32") };
}

/** How many numbers are read of a head: numerators, denominators, valid rows, and the metrics' sums. */
export function sizeOf({ compiled, measures }: Head): number {
  return 2 * partsOf(compiled.plan) + 1 + measures.reduce((size, { measure }) => size + measure.size, 0);
}

function partsOf({ couplings, terms }: Plan): number {
  return couplings.length > 0 ? 1 : terms.length;
}

/** What is read of a head for a batch, [sizeOf(head)]. */
export function readingsOf(head: Head, batch: Batches[Input], parts: Omit<HeadValue, "value">): tf.Tensor1D {
  const { loss, compiled, measures } = head;
  return tf.tidy(() => {
    const { count, ...rows } = rowsOf(loss, compiled.plan, batch);
    const valid =
      count === 0 ? tf.zeros<tf.Rank.R1>([1]) : tf.sum(validOf({ count, ...rows })).reshape<tf.Tensor1D>([1]);
    return tf.concat([
      parts.numerators,
      parts.denominators,
      valid,
      ...measures.map(({ measure }) => measure.sums(batch)),
    ]);
  });
}

/** What was read of a head, on the host. */
export interface HeadReadings {
  readonly numerators: readonly number[];
  readonly denominators: readonly number[];
  readonly rows: number;
  readonly measures: readonly (readonly number[])[];
}

/** Takes readings apart. */
export function takeApart(heads: readonly Head[], readings: ArrayLike<number>): readonly HeadReadings[] {
  let from = 0;
  const take = (size: number): readonly number[] => {
    from += size;
    return Array.from({ length: size }, (_, i) => readings[from - size + i]);
  };
  return heads.map(({ compiled, measures }) => {
    const count = partsOf(compiled.plan);
    const [numerators, denominators, [rows]] = [take(count), take(count), take(1)];
    return { numerators, denominators, rows, measures: measures.map(({ measure }) => take(measure.size)) };
  });
}

/** The value of each term, from sums. */
export function termValues(
  { compiled }: Head,
  numerators: readonly number[],
  denominators: readonly number[],
): number[] {
  return numerators.map((numerator, i) => {
    if (compiled.plan.couplings.length === 0 && compiled.plan.terms[i].reduction === "sum") return numerator;
    return denominators[i] === 0 ? 0 : numerator / denominators[i];
  });
}

/** The whole batch of a head. */
export function headBatch(head: Head, entries: Entries, output: tf.Tensor, step: number): Batches[Input] {
  return batchOf(head.loss, { ...entries, step }, output);
}
