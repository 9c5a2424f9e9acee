/** How often the vocabulary is walked: kernels that read or write [N, V]. */
import * as tf from "@tensorflow/tfjs";
import { crossEntropy, explain } from "lossmith";
import { type FormName, formNames, formsOf } from "./forms.ts";

/** Kernels over all entries, for the loss and for its gradient. */
export interface WideKernels {
  readonly forwardKernels: number;
  readonly backwardKernels: number;
}

/** A shape whose N · V is larger than all else that a loss makes. */
const shape = { rows: 8, classes: 4096 };

/** What only renames memory. */
const free = ["Reshape", "Identity"];

/** Counts the kernels of each form on the current backend. */
export async function countWideKernels(): Promise<Readonly<Record<FormName, WideKernels>>> {
  const labels = Int32Array.from({ length: shape.rows }, (_, row) => row);
  const forms = formsOf({ shape, labels });
  const logits: tf.Tensor2D = tf.randomNormal([shape.rows, shape.classes], 0, 1, "float32", 1);
  const counted: [FormName, WideKernels][] = [];
  for (const name of formNames) {
    const form = forms[name];
    // What is run once alone, such as a self-test, is not counted.
    tf.tidy(() => form(logits));
    const forward = await profiled(() => tf.tidy(() => form(logits)));
    const both = await profiled(() => tf.grad(form as (x: tf.Tensor) => tf.Scalar)(logits));
    const fused = name === "lossmith" ? fusedPasses() : 0;
    counted.push([name, { forwardKernels: forward + fused, backwardKernels: both - forward + fused }]);
  }
  logits.dispose();
  return Object.fromEntries(counted) as Record<FormName, WideKernels>;
}

async function profiled(compute: () => tf.Tensor): Promise<number> {
  const { kernels, result } = await tf.profile(compute as unknown as () => tf.TensorContainer);
  tf.dispose(result);
  const isWide = (of: number[]): boolean => tf.util.sizeFromShape(of ?? []) >= shape.rows * shape.classes;
  // The profiler also lists scopes and ops with a gradient of their own, which are no kernels.
  const isKernel = (name: string): boolean => tf.getKernel(name, tf.getBackend()) !== undefined;
  const counted = kernels.filter(({ name }) => isKernel(name) && !free.includes(name));
  return counted.filter(({ inputShapes, outputShapes }) => [...inputShapes, ...outputShapes].some(isWide)).length;
}

/** The fused pass of each direction, which is none of tensorflow.js's kernels; 0 where there is none. */
function fusedPasses(): number {
  return explain(crossEntropy).includes("the logits are read once forward and once backward") ? 1 : 0;
}
