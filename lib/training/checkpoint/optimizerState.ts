/**
 * What an optimizer remembers, exactly: its own `getWeights` is missing for adamax, and `setWeights` of adam makes powers anew that
 * were products, so that training that goes on is another by a rounding.
 */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";

/** Numbers by the names of fields, and the tensors of fields: one, or one for each place in a list; null where it is not there. */
export interface OptimizerState {
  readonly className: string;
  readonly numbers: Readonly<Record<string, number>>;
  readonly variables: Readonly<Record<string, tf.Tensor>>;
  readonly lists: Readonly<Record<string, readonly (NamedTensor | null)[]>>;
}

export interface NamedTensor {
  readonly name: string;
  readonly tensor: tf.Tensor;
}

interface Slot {
  readonly originalName: string;
  readonly variable: tf.Variable;
}

/** Names that stay the same from one process to the next, for the variables that an optimizer knows by theirs. */
export function lastingNames(
  variables: readonly tf.Variable[],
  parameters: ReadonlyMap<string, tf.Variable>,
): ReadonlyMap<string, string> {
  return new Map([
    ...variables.map(({ name }, i) => [name, `variables/${i}`] as const),
    ...[...parameters].map(([own, { name }]) => [name, `parameters/${own}`] as const),
  ]);
}

/** The names of the variables that an optimizer has a state for, in the order of its lists. */
export function knownVariables(optimizer: tf.Optimizer): readonly string[] {
  const lists = Object.values(optimizer).filter((value): value is Slot[] => Array.isArray(value));
  const longest = lists.reduce<Slot[]>((most, list) => (list.length > most.length ? list : most), []);
  return longest.map(({ originalName }) => splitName(originalName)[0]);
}

/** An optimizer calls what it knows of a variable by the variable's name, a slash, and what it is. */
function splitName(slot: string): readonly [string, string] {
  const end = slot.lastIndexOf("/");
  return end < 0 ? [slot, ""] : [slot.slice(0, end), slot.slice(end)];
}

function renamed(slot: string, names: ReadonlyMap<string, string>): string {
  const [variable, what] = splitName(slot);
  return (names.get(variable) ?? variable) + what;
}

/** The state of an optimizer, whose tensors are its own; what it knows of variables is by their lasting names. */
export function stateOf(optimizer: tf.Optimizer, names: ReadonlyMap<string, string>): OptimizerState {
  const numbers: Record<string, number> = {};
  const variables: Record<string, tf.Tensor> = {};
  const lists: Record<string, (NamedTensor | null)[]> = {};
  for (const [field, value] of Object.entries(optimizer) as [string, unknown][]) {
    if (typeof value === "number") numbers[field] = value;
    else if (value instanceof tf.Variable) variables[field] = value;
    else if (Array.isArray(value)) {
      lists[field] = Array.from(value as (Slot | undefined)[], (slot) =>
        slot === undefined || slot === null ? null : { name: renamed(slot.originalName, names), tensor: slot.variable },
      );
    }
  }
  return { className: optimizer.getClassName(), numbers, variables, lists };
}

/** Gives an optimizer of the same class a state. The tensors stay the caller's. */
export function restoreState(
  optimizer: tf.Optimizer,
  state: OptimizerState,
  names: ReadonlyMap<string, string>,
  where: string,
): void {
  const own = new Map([...names].map(([name, lasting]) => [lasting, name]));
  const className = optimizer.getClassName();
  if (className !== state.className) {
    throw new LossError(
      where,
      `it has the state of ${state.className}, and the optimizer is ${className}`,
      `Give an optimizer of the class ${state.className}`,
    );
  }
  const fields = optimizer as unknown as Record<string, unknown>;
  for (const [field, value] of Object.entries(state.numbers)) fields[field] = value;
  if ("setLearningRate" in optimizer) {
    (optimizer as tf.SGDOptimizer).setLearningRate(state.numbers["learningRate"]);
  }
  for (const [field, tensor] of Object.entries(state.variables)) (fields[field] as tf.Variable).assign(tensor);
  for (const [field, list] of Object.entries(state.lists)) {
    for (const slot of (fields[field] ?? []) as (Slot | undefined)[]) slot?.variable.dispose();
    fields[field] = list.map((entry) =>
      entry === null
        ? undefined
        : { originalName: renamed(entry.name, own), variable: tf.tidy(() => tf.variable(entry.tensor, false)) },
    );
  }
}
