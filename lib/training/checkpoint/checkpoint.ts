import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";
import { read, writeAtomically } from "../file.ts";
import { weightsOf } from "../layers/weights.ts";
import type { StepClock } from "../stepClock.ts";
import { decode, encode, type Stored, type StoredTensor } from "./format.ts";
import { lastingNames, type OptimizerState, restoreState, stateOf } from "./optimizerState.ts";
import { storedOf, tensorOf } from "./tensors.ts";

/** What a checkpoint holds of a training. */
export interface CheckpointOptions {
  /** The variables that are trained, in an order that stays the same; or a model, with all of its weights. */
  readonly variables: readonly tf.Variable[] | tf.LayersModel;
  readonly optimizer?: tf.Optimizer;
  readonly clock?: StepClock;
  /** The loss's trainable parameters: `parameters` of a `trainStep` or of `withLoss`. */
  readonly parameters?: ReadonlyMap<string, tf.Variable>;
}

/** What a checkpoint carries beside the training itself, as JSON. */
export interface CheckpointNotes {
  /** The loss, or what tells it. */
  readonly loss?: unknown;
  /** The state of whatever draws the batches. */
  readonly random?: unknown;
  /** Anything else, such as the number of the epoch. */
  readonly notes?: unknown;
}

/** What was loaded beside the training itself. */
export interface LoadedCheckpoint extends CheckpointNotes {
  /** The step that comes next; null where there was no clock. */
  readonly step: number | null;
}

/** Saves and loads a training. */
export interface Checkpoint {
  /** Writes a file: as a whole, or not at all. The state is that at the time of the call. */
  save(path: string, notes?: CheckpointNotes): Promise<void>;
  /** Puts the training where the file was written. Where it throws, nothing has changed. */
  load(path: string): Promise<LoadedCheckpoint>;
  /** The bytes of a file, for places without a file system. */
  encode(notes?: CheckpointNotes): Promise<Uint8Array<ArrayBuffer>>;
  decode(bytes: Uint8Array): Promise<LoadedCheckpoint>;
}

/** What the header of a file says; tensors by their numbers in the file. */
interface State extends CheckpointNotes {
  readonly step: number | null;
  readonly variables: readonly number[];
  readonly parameters: Readonly<Record<string, number>>;
  readonly optimizer: {
    readonly className: string;
    readonly numbers: Readonly<Record<string, number>>;
    readonly variables: Readonly<Record<string, number>>;
    readonly lists: Readonly<Record<string, readonly ({ readonly name: string; readonly tensor: number } | null)[]>>;
  } | null;
}

/**
 * Checkpoints of a training: weights, the optimizer's state to the last bit, the step, the loss's trained parameters, and what
 * the loop itself needs, such as the state of its random numbers. A training that goes on from one has the losses of one
 * that was never interrupted, as long as the loop is deterministic.
 *
 * A file is written beside its place, brought to the disk, and renamed, so that a process killed at any moment leaves the last whole
 * checkpoint. A file that is torn, of another format or of another training is refused.
 *
 * @throws LossError for options of other kinds, and in `load` and `decode` for such a file, and for one whose variables have other shapes.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { crossEntropy } from "lossmith";
 * import { checkpoint, trainStep } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const weights = tf.variable(tf.zeros<tf.Rank.R2>([2, 2]));
 * const optimizer = tf.train.adam(0.1);
 * const step = trainStep({ optimizer, loss: crossEntropy, model: (x: tf.Tensor2D) => tf.matMul(x, weights) });
 * const saved = checkpoint({ variables: [weights], optimizer, clock: step.clock });
 *
 * const batch = { x: tf.tensor2d([[1, 0]]), labels: [1] };
 * await step(batch);
 * const bytes = await saved.encode({ loss: "crossEntropy" });
 * const { loss } = await step(batch);
 * const { step: next } = await saved.decode(bytes);
 * expect(next).toBe(1);
 * expect((await step(batch)).loss).toBe(loss);
 * ```
 */
export function checkpoint(options: CheckpointOptions): Checkpoint {
  checkOptions(options);
  const { optimizer, clock, parameters = new Map<string, tf.Variable>() } = options;
  const variablesOf = (): readonly tf.Variable[] => {
    const { variables } = options;
    if (Array.isArray(variables)) return variables as readonly tf.Variable[];
    return weightsOf(variables as tf.LayersModel);
  };

  const bytesOf = (notes: CheckpointNotes, where: string): Promise<Uint8Array<ArrayBuffer>> => {
    const tensors: tf.Tensor[] = [];
    const put = (tensor: tf.Tensor): number => tensors.push(tensor) - 1;
    const variables = variablesOf();
    const own = optimizer === undefined ? null : stateOf(optimizer, lastingNames(variables, parameters));
    const state: State = {
      ...notes,
      step: clock?.step ?? null,
      variables: variables.map(put),
      parameters: mapValues(Object.fromEntries(parameters), put),
      optimizer: own && {
        className: own.className,
        numbers: own.numbers,
        variables: mapValues(own.variables, put),
        lists: mapValues(own.lists, (list) =>
          list.map((entry) => entry && { name: entry.name, tensor: put(entry.tensor) }),
        ),
      },
    };
    // The copies are made, and the state is a text, before anything is waited for.
    const copied = storedOf(tensors, where);
    const text = JSON.stringify(state);
    return copied.then((stored) => encode({ state: JSON.parse(text), tensors: stored }));
  };

  const restore = async (bytes: Uint8Array, where: string): Promise<LoadedCheckpoint> => {
    const { state, tensors } = (await decode(bytes, where)) as Stored & { readonly state: State };
    const variables = variablesOf();
    check(state, tensors, { variables, optimizer, clock, parameters }, where);
    tf.tidy(() => {
      const loaded = tensors.map(tensorOf);
      if (state.optimizer !== null && optimizer !== undefined) {
        const { className, numbers, variables: own, lists } = state.optimizer;
        const whole: OptimizerState = {
          className,
          numbers,
          variables: mapValues(own, (i) => loaded[i]),
          lists: mapValues(lists, (list) =>
            list.map((entry) => entry && { name: entry.name, tensor: loaded[entry.tensor] }),
          ),
        };
        restoreState(optimizer, whole, lastingNames(variables, parameters), where);
      }
      variables.forEach((variable, i) => {
        variable.assign(loaded[state.variables[i]]);
      });
      for (const [name, variable] of parameters) variable.assign(loaded[state.parameters[name]]);
    });
    if (state.step !== null) clock?.set(state.step);
    const { loss, random, notes, step } = state;
    return { step, loss, random, notes };
  };

  return {
    save: async (path, notes = {}) => {
      const where = `checkpoint.save("${path}")`;
      await writeAtomically(path, await bytesOf(notes, where), where);
    },
    load: async (path) => {
      const where = `checkpoint.load("${path}")`;
      return restore(await read(path, where), where);
    },
    encode: (notes = {}) => bytesOf(notes, "checkpoint.encode(notes)"),
    decode: (bytes) => restore(bytes, "checkpoint.decode(bytes)"),
  };
}

function checkOptions(options: CheckpointOptions): void {
  const where = "checkpoint(options)";
  const { variables, optimizer, clock, parameters } = (options ?? {}) as Partial<CheckpointOptions>;
  const areVariables = Array.isArray(variables) && variables.every((variable) => variable instanceof tf.Variable);
  if (!areVariables && !(variables instanceof tf.LayersModel)) {
    throw new LossError(`${where}, variables`, "they are none", "Give an array of tf.Variable, or a tf.LayersModel");
  }
  if (optimizer !== undefined && !(optimizer instanceof tf.Optimizer)) {
    throw new LossError(`${where}, optimizer`, `got ${String(optimizer)}`, "Give the tf.Optimizer that trains them");
  }
  if (clock !== undefined && typeof clock?.set !== "function") {
    throw new LossError(`${where}, clock`, `got ${String(clock)}`, "Give the clock of the training");
  }
  if (parameters !== undefined && !(parameters instanceof Map)) {
    throw new LossError(`${where}, parameters`, `got ${String(parameters)}`, "Give the parameters of the training");
  }
}

interface Training {
  readonly variables: readonly tf.Variable[];
  readonly optimizer: tf.Optimizer | undefined;
  readonly clock: StepClock | undefined;
  readonly parameters: ReadonlyMap<string, tf.Variable>;
}

/** Throws where a checkpoint is of another training. */
function check(
  state: State,
  tensors: readonly StoredTensor[],
  { variables, optimizer, clock, parameters }: Training,
  where: string,
): void {
  const refuse = (what: string): never => {
    throw new LossError(where, what, "Give the checkpoint of this training");
  };
  if (state.variables.length !== variables.length) {
    refuse(`it has ${state.variables.length} variables, and the training has ${variables.length}`);
  }
  const compare = (variable: tf.Variable, index: number, name: string): void => {
    const { shape, dtype } = tensors[index];
    if (dtype === variable.dtype && shape.length === variable.rank && shape.every((n, i) => n === variable.shape[i]))
      return;
    refuse(
      `${name} is ${dtype} [${shape.join(", ")}] in it, and ${variable.dtype} [${variable.shape.join(", ")}] here`,
    );
  };
  variables.forEach((variable, i) => {
    compare(variable, state.variables[i], `variable ${i}`);
  });
  const [stored, own] = [Object.keys(state.parameters), [...parameters.keys()]];
  if (stored.length !== own.length || own.some((name) => !(name in state.parameters))) {
    refuse(`it has the parameters [${stored.join(", ")}], and the loss has [${own.join(", ")}]`);
  }
  for (const [name, variable] of parameters) compare(variable, state.parameters[name], `the parameter ${name}`);
  if ((state.optimizer === null) !== (optimizer === undefined)) {
    refuse(state.optimizer === null ? "it has no optimizer" : "it has an optimizer, and none is given");
  }
  if (optimizer !== undefined && state.optimizer?.className !== optimizer.getClassName()) {
    refuse(`it has the state of ${state.optimizer?.className}, and the optimizer is ${optimizer.getClassName()}`);
  }
  if ((state.step === null) !== (clock === undefined)) {
    refuse(state.step === null ? "it has no step" : "it has a step, and no clock is given");
  }
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, f: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value)]));
}
