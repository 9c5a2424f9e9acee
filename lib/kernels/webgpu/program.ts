/** Running a compute program of ours on tensorflow.js's webgpu backend. */
import * as tf from "@tensorflow/tfjs";

/** Invocations of a workgroup: what every device has. */
export const workgroupSize = 256;

/** Storage buffers that every device lets a program bind, the result among them. */
export const storageBuffers = 8;

/** A number that a program reads at run time. */
export interface Uniform {
  readonly name: string;
  readonly type: "i32" | "u32" | "f32";
  readonly value: number;
}

export interface Input {
  /** What the source calls it: an array. */
  readonly name: string;
  readonly tensor: tf.Tensor;
}

export interface ComputeProgram {
  /** Names everything that the source depends on. */
  readonly key: string;
  /**
   * WGSL with a function `main(index : i32)`, the index counting the invocations of all workgroups. It has to read one of
   * the uniforms at least, since they are bound in any case.
   */
  readonly source: () => string;
  readonly outputShape: number[];
  readonly workgroups: number;
  /** An input whose name the source does not hold is not bound. */
  readonly inputs: readonly Input[];
  readonly uniforms: readonly Uniform[];
  /** Whether the source uses subgroups, which a device may have. */
  readonly subgroups?: boolean;
  /** The result, where it is one that is there already and is changed. */
  readonly into?: tf.Tensor;
}

/** The part of tensorflow.js's webgpu backend that is used here. */
interface WebGPUBackend extends tf.KernelBackend {
  readonly device: Device;
  /** What the host has read of a tensor is kept beside its buffer. */
  readonly tensorMap: { get(dataId: object): { values?: unknown } | undefined };
  runWebGPUProgram(
    program: BackendProgram,
    inputs: tf.TensorInfo[],
    outputDtype: tf.DataType,
    uniforms: { type: string; data: number[] }[],
    output?: tf.TensorInfo,
  ): tf.TensorInfo;
}

interface Device {
  readonly features: { has(name: string): boolean };
  createShaderModule: (descriptor: { readonly code: string }) => unknown;
}

/** Whether the device of the current backend has subgroups, which must have been asked for when it was made. */
export function hasSubgroups(): boolean {
  return (tf.backend() as WebGPUBackend).device.features.has("subgroups");
}

/**
 * What a device compiles meanwhile may use subgroups. The line that allows it has to be the first of a module, where
 * tensorflow.js writes its own functions.
 */
function enablingSubgroups<T>(device: Device, run: () => T): T {
  const own = Object.getOwnPropertyDescriptor(device, "createShaderModule");
  const { createShaderModule } = device;
  device.createShaderModule = ({ code, ...rest }) =>
    createShaderModule.call(device, { ...rest, code: `enable subgroups;\n${code}` });
  try {
    return run();
  } finally {
    if (own === undefined) Reflect.deleteProperty(device, "createShaderModule");
    else Object.defineProperty(device, "createShaderModule", own);
  }
}

/** What the backend takes; it writes into it. */
interface BackendProgram {
  variableNames: string[];
  outputShape: number[];
  workgroupSize: [number, number, number];
  dispatchLayout: { x: number[] };
  dispatch: [number, number, number];
  uniforms: string;
  shaderKey: string;
  getUserCode: () => string;
}

const dataTypes = { i32: "int32", u32: "uint32", f32: "float32" } as const;

const sources = new Map<string, string>();

export function runProgram(program: ComputeProgram): tf.Tensor {
  const source = sources.get(program.key) ?? program.source();
  sources.set(program.key, source);
  // The layout of the pipeline has only the buffers that the source reads, and binding another is an error.
  const bound = program.inputs.filter(({ name }) => source.includes(`${name}[`));
  const backend = tf.backend() as WebGPUBackend;
  const run = (): tf.TensorInfo =>
    backend.runWebGPUProgram(
      {
        variableNames: bound.map(({ name }) => name),
        outputShape: program.outputShape,
        workgroupSize: [workgroupSize, 1, 1],
        dispatchLayout: { x: [0] },
        dispatch: [program.workgroups, 1, 1],
        uniforms: program.uniforms.map(({ name, type }) => `${name} : ${type}, `).join(""),
        shaderKey: program.key,
        getUserCode: () => source,
      },
      bound.map(({ tensor }) => tensor),
      "float32",
      program.uniforms.map(({ type, value }) => ({ type: dataTypes[type], data: [value] })),
      program.into,
    );
  const info = program.subgroups === true ? enablingSubgroups(backend.device, run) : run();
  if (program.into !== undefined) {
    const data = backend.tensorMap.get(program.into.dataId);
    // Of an empty tensor they are all there is.
    if (data !== undefined && program.into.size > 0) data.values = undefined;
    return program.into;
  }
  return tf.engine().makeTensorFromDataId(info.dataId, info.shape, info.dtype);
}
