/** TensorFlow.js's own kernels on wasm, and those that `useBackend` puts in their place. */
import * as tf from "@tensorflow/tfjs";
import { useBackend } from "lossmith";

/** Registers one set or the other. */
export interface KernelSets {
  readonly useStock: () => void;
  readonly useOurs: () => void;
}

const replaced = ["Identity", "BatchMatMul", "UnsortedSegmentSum"];

let sets: KernelSets | null = null;

/** Starts wasm with our kernels. The first start of a process has to be this one, to see the others. */
export async function startWasm(): Promise<KernelSets> {
  await import("@tensorflow/tfjs-backend-wasm");
  const useStock = registeredNow();
  await useBackend("wasm");
  sets ??= { useStock, useOurs: registeredNow() };
  return sets;
}

/** The kernels that are registered now, and a way to bring them back. */
function registeredNow(): () => void {
  const configs = replaced.map((name) => tf.getKernel(name, "wasm"));
  return () => {
    configs.forEach((config, i) => {
      if (tf.getKernel(replaced[i], "wasm") !== undefined) tf.unregisterKernel(replaced[i], "wasm");
      if (config !== undefined) tf.registerKernel(config);
    });
  };
}
