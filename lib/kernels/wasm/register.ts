import * as tf from "@tensorflow/tfjs";
import { maxPool3dGradOn } from "../maxPool3dGradient.ts";
import type { Memory } from "../memory.ts";
import { unsortedSegmentSumOn } from "../unsortedSegmentSum.ts";
import { type WasmBackend, zeros } from "./backend.ts";
import { batchGatherWith } from "./batchGather.ts";
import { batchMatMulWith } from "./batchMatMul.ts";
import { byCpu } from "./byCpu.ts";
import { conv2DBackpropFilter } from "./convolutionGradient.ts";
import { depthwiseBackpropFilter, depthwiseBackpropInput } from "./depthwiseGradient.ts";
import { einsum } from "./einsum.ts";
import { castWith, typedKernels, withTypes } from "./elementTypes.ts";
import { fusedMatMulWith } from "./fusedMatMul.ts";
import { identityWith } from "./identity.ts";
import { maxPoolGrad } from "./maxPoolGradient.ts";
import { samePaddingOf } from "./samePadding.ts";

const memory: Memory<WasmBackend> = {
  zeros,
  values: (backend, info) => backend.typedArrayFromHeap(info),
};

/** What the wasm backend has not. */
const missing: readonly tf.KernelConfig[] = [
  unsortedSegmentSumOn("wasm", memory),
  conv2DBackpropFilter,
  depthwiseBackpropFilter,
  depthwiseBackpropInput,
  einsum,
];

/** What computes wrong numbers there: windows without a positive entry count as empty, or entries are
 * added to what the memory held. */
const wrong: readonly tf.KernelConfig[] = [
  maxPoolGrad,
  maxPool3dGradOn("wasm", memory),
  ...["MaxPool3D", "Dilation2D", "Dilation2DBackpropInput", "Dilation2DBackpropFilter", "Conv3DBackpropInputV2"].map(
    byCpu,
  ),
];

let registered = false;

/**
 * Makes tensorflow.js's wasm backend fit for training: the gradients of embeddings, convolutions and pools, einsum, an
 * Identity that does not copy, and a matMul whose transposes are not slow. Needs @tensorflow/tfjs-backend-wasm to be
 * imported; a second call does nothing.
 */
export function registerWasmKernels(): void {
  if (registered) return;
  const replace = (kernelName: string, replacement: (original: tf.KernelConfig) => tf.KernelConfig): void => {
    const original = tf.getKernel(kernelName, "wasm");
    tf.unregisterKernel(kernelName, "wasm");
    tf.registerKernel(replacement(original));
  };
  replace("Identity", identityWith);
  replace("BatchMatMul", batchMatMulWith);
  replace("_FusedMatMul", fusedMatMulWith);
  replace("GatherV2", batchGatherWith);
  replace("Cast", castWith);
  for (const name of typedKernels) replace(name, withTypes);
  for (const name of ["Conv2D", "FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2D"]) {
    replace(name, samePaddingOf);
  }
  for (const kernel of wrong) replace(kernel.kernelName, () => kernel);
  for (const kernel of missing) if (tf.getKernel(kernel.kernelName, "wasm") === undefined) tf.registerKernel(kernel);
  registered = true;
}
