/** tensorflow.js's WebGPU backend: tensors are buffers of the device. */
import * as tf from "@tensorflow/tfjs";
import { useBackend } from "lossmith";
import type { Copier, MeasuredBackend } from "./backend.ts";
import { allocationMeter } from "./meters.ts";

interface BufferManager {
  readonly numBytesUsed: number;
  acquireBuffer(...given: never[]): unknown;
}

export interface WebGPUBackend extends tf.KernelBackend {
  readonly device: GPUDevice;
  readonly queue: GPUQueue;
  readonly bufferManager: BufferManager;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  runWebGPUProgram(program: object, inputs: tf.TensorInfo[], dtype: tf.DataType): tf.TensorInfo;
}

export const webgpuBackend = (): WebGPUBackend => tf.backend() as WebGPUBackend;

export const webgpu: MeasuredBackend = {
  name: "webgpu",
  start: async () => {
    await useBackend("webgpu");
    return null;
  },
  device: { describe: describeDevice, programMethod: "runWebGPUProgram" },
  copierOf,
  meter: () => {
    submit();
    const { bufferManager } = webgpuBackend();
    return allocationMeter(bufferManager, "acquireBuffer", () => bufferManager.numBytesUsed);
  },
  heapBytes: null,
};

/** Sends the recorded commands, after which what they alone needed is free. */
function submit(): void {
  const backend = webgpuBackend();
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
}

/** The adapter that the backend's device was requested from: the one that `useBackend` asks for. */
export async function adapterInfo(): Promise<GPUAdapterInfo> {
  const adapter = await (navigator.gpu as GPU).requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) throw new Error("there is no adapter");
  return adapter.info;
}

async function describeDevice(): Promise<string> {
  const { description, vendor, architecture, device } = await adapterInfo();
  return description || [vendor, architecture, device].filter((part) => part !== "").join(" ") || "unnamed";
}

const workgroupSize = 128;

/** A program of ours, since a buffer's copy command may be done by another part of the device than programs are. */
function copierOf(logits: tf.Tensor2D): Copier {
  const vectors = logits.size / 4;
  if (!Number.isInteger(vectors)) throw new Error(`${logits.size} entries are no whole number of vectors of four`);
  const copy = (): void => {
    const program = {
      variableNames: ["A"],
      variableComponents: [4],
      outputShape: [logits.size],
      outputComponent: 4,
      workgroupSize: [workgroupSize, 1, 1],
      dispatchLayout: { x: [0] },
      dispatch: [Math.ceil(vectors / workgroupSize), 1, 1],
      size: true,
      shaderKey: "copy of the logits",
      getUserCode: () => `
        fn main(index : i32) {
          if (index < uniforms.size) {
            result[index] = A[index];
          }
        }`,
    };
    const backend = webgpuBackend();
    backend.disposeData(backend.runWebGPUProgram(program, [logits], "float32").dataId);
  };
  const finish = async (): Promise<void> => {
    submit();
    await webgpuBackend().queue.onSubmittedWorkDone();
  };
  return { copy, finish, dispose: () => {} };
}
