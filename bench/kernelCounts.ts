/** How often the vocabulary is walked: kernels that read or write all N · V entries. And how many programs a GPU runs. */
import * as tf from "@tensorflow/tfjs";
import type { MeasuredBackend, ProgramMethod } from "./backends/backend.ts";
import type { KernelSets } from "./backends/kernelSets.ts";
import { type Form, type FormName, formNamesOn, formsOf, isStock } from "./forms.ts";
import { runPass, startPass } from "./passes.ts";

/** Kernels of one direction. */
export interface KernelCount {
  /** Those over all entries. */
  readonly wide: number;
  /** All programs that a GPU is told to run; null on the processor, where kernels are function calls. */
  readonly dispatches: number | null;
}

/** Kernels for the loss and for its gradient. */
export interface KernelCounts {
  readonly forward: KernelCount;
  readonly backward: KernelCount;
}

/** A loss whose kernels are counted. */
export interface Counted {
  readonly form: Form;
  /** What `explain` says of it on this backend; null if it is none of lossmith's. */
  readonly explanation: string | null;
  /** Kernels that only rename memory, where a profiler lists them. */
  readonly free: readonly string[];
}

/** A shape whose N · V is larger than all else that a loss makes. */
const shape = { rows: 8, classes: 50_257 };

/** Counts the kernels of each form. */
export async function countFormKernels(
  backend: MeasuredBackend,
  kernels: KernelSets | null,
  explanation: string,
): Promise<Readonly<Partial<Record<FormName, KernelCounts>>>> {
  const labels = Int32Array.from({ length: shape.rows }, (_, row) => row);
  const forms = formsOf({ shape, labels });
  const logits: tf.Tensor2D = tf.randomNormal([shape.rows, shape.classes], 0, 1, "float32", 1);
  const counted: [FormName, KernelCounts][] = [];
  for (const name of formNamesOn(backend.name)) {
    if (isStock(name)) kernels?.useStock();
    // tensorflow.js's own Identity copies on wasm.
    const free = isStock(name) && kernels !== null ? ["Reshape"] : ["Reshape", "Identity"];
    const given = { form: forms[name], explanation: name === "lossmith" ? explanation : null, free };
    counted.push([name, await countKernels(backend, given, logits)]);
    kernels?.useOurs();
  }
  logits.dispose();
  return Object.fromEntries(counted);
}

/** Counts the kernels of a loss of these logits. */
export async function countKernels(
  { device }: MeasuredBackend,
  given: Counted,
  logits: tf.Tensor2D,
): Promise<KernelCounts> {
  const { form } = given;
  const gradient = (): tf.Tensor => tf.grad(form as (x: tf.Tensor) => tf.Scalar)(logits);
  // What is run once alone, such as a self-test or the making of a table, is not counted.
  startPass("forwardAndBackward", form, logits).dispose();
  const count = (run: () => tf.Tensor): Promise<KernelCount> =>
    device === null ? profiledKernels(given, logits.size, run) : programs(device.programMethod, logits.size, run);
  const both = await count(gradient);
  const forward = await count(() => tf.tidy(() => form(logits)));
  // A device is done with what was counted before it is with this.
  await runPass("forward", form, logits);
  const fused = device === null ? fusedPasses(given.explanation) : 0;
  const difference = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : a - b);
  return {
    forward: { wide: forward.wide + fused, dispatches: forward.dispatches },
    backward: {
      wide: both.wide - forward.wide + fused,
      dispatches: difference(both.dispatches, forward.dispatches),
    },
  };
}

/** Counts the programs that a GPU's backend is given. */
async function programs(method: ProgramMethod, wideSize: number, run: () => tf.Tensor): Promise<KernelCount> {
  type Run = (program: object, inputs: tf.TensorInfo[], ...rest: unknown[]) => tf.TensorInfo;
  const backend = tf.backend() as unknown as Record<ProgramMethod, Run>;
  const original = backend[method];
  const count = { wide: 0, dispatches: 0 };
  backend[method] = (program, inputs, ...rest) => {
    const output = original.call(backend, program, inputs, ...rest);
    count.dispatches++;
    if ([...inputs, output].some((info) => tf.util.sizeFromShape(info.shape) >= wideSize)) count.wide++;
    return output;
  };
  try {
    run().dispose();
  } finally {
    backend[method] = original;
  }
  return count;
}

/** Counts tensorflow.js's own kernels. */
async function profiledKernels({ free }: Counted, wideSize: number, run: () => tf.Tensor): Promise<KernelCount> {
  const { kernels, result } = await tf.profile(run as unknown as () => tf.TensorContainer);
  tf.dispose(result);
  const isWide = (of: number[]): boolean => tf.util.sizeFromShape(of ?? []) >= wideSize;
  // The profiler also lists scopes and ops with a gradient of their own, which are no kernels.
  const isKernel = (name: string): boolean => tf.getKernel(name, tf.getBackend()) !== undefined;
  const counted = kernels.filter(({ name }) => isKernel(name) && !free.includes(name));
  const wide = counted.filter(({ inputShapes, outputShapes }) => [...inputShapes, ...outputShapes].some(isWide));
  return { wide: wide.length, dispatches: null };
}

/** The fused pass of each direction on wasm and cpu, which is none of tensorflow.js's kernels; 0 where there is none. */
function fusedPasses(explanation: string | null): number {
  return explanation?.includes("the logits are read once forward and once backward") ? 1 : 0;
}
