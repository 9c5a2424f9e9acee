import * as tf from "@tensorflow/tfjs";
import { type CpuBackend, valuesOf } from "../cpu/backend.ts";
import type { WasmBackend } from "./backend.ts";

/**
 * A kernel of tensorflow.js's cpu backend that reads tensors of the wasm backend in place. For kernels that small models
 * seldom need, and whose own version on wasm is wrong.
 */
export function byCpu(kernelName: string): tf.KernelConfig {
  return {
    kernelName,
    backendName: "wasm",
    kernelFunc: ({ inputs, backend: given, attrs }) => {
      const backend = given as WasmBackend;
      const cpu = tf.findBackend("cpu") as tf.KernelBackend & CpuBackend;
      const borrowed = Object.fromEntries(
        Object.entries(inputs).map(([name, info]) => {
          const { shape, dtype } = info as tf.TensorInfo;
          const made = cpu.makeTensorInfo(shape, dtype, backend.typedArrayFromHeap(info as tf.TensorInfo));
          // Some kernels expect a tensor's rank too.
          return [name, { ...made, rank: shape.length }];
        }),
      );
      const kernel = tf.getKernel(kernelName, "cpu");
      const result = kernel.kernelFunc({
        inputs: borrowed,
        backend: cpu,
        ...(attrs === undefined ? {} : { attrs }),
      });
      const results = Array.isArray(result) ? result : [result];
      const outputs = results.map((computed) => {
        const output = backend.makeOutput(computed.shape, computed.dtype);
        backend.typedArrayFromHeap(output).set(valuesOf(cpu, computed));
        return output;
      });
      for (const { dataId } of [...Object.values(borrowed), ...results]) cpu.disposeData(dataId);
      return Array.isArray(result) ? outputs : outputs[0];
    },
  };
}
