/** tensorflow.js's WebGL backend: tensors are textures. */
import * as tf from "@tensorflow/tfjs";
import { useBackend } from "lossmith";
import type { Copier, MeasuredBackend } from "./backend.ts";
import { allocationMeter } from "./meters.ts";

interface TextureManager {
  readonly numBytesAllocated: number;
  readonly numBytesFree: number;
  acquireTexture(...given: never[]): unknown;
}

interface WebGLBackend extends tf.KernelBackend {
  readonly textureManager: TextureManager;
  readonly gpgpu: { readonly gl: WebGL2RenderingContext; createAndWaitForFence(): Promise<void> };
  runWebGLProgram(program: object, inputs: tf.TensorInfo[], dtype: tf.DataType): tf.TensorInfo;
}

const backend = (): WebGLBackend => tf.backend() as WebGLBackend;

export const webgl: MeasuredBackend = {
  name: "webgl",
  start: async () => {
    // A browser makes a timer wait for four milliseconds otherwise, and tensorflow.js looks for results by timers.
    tf.env().set("USE_SETTIMEOUTCUSTOM", true);
    await useBackend("webgl");
    return null;
  },
  device: { describe: describeDevice, programMethod: "runWebGLProgram" },
  copierOf,
  meter: () => {
    const { textureManager } = backend();
    return allocationMeter(
      textureManager,
      "acquireTexture",
      () => textureManager.numBytesAllocated - textureManager.numBytesFree,
    );
  },
  heapBytes: null,
};

async function describeDevice(): Promise<string> {
  const { gl } = backend().gpgpu;
  const extension = gl.getExtension("WEBGL_debug_renderer_info");
  return String(gl.getParameter(extension?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER));
}

/** From texture to texture, packed as the logits are. */
function copierOf(logits: tf.Tensor2D): Copier {
  const copy = (): void => {
    const program = {
      variableNames: ["A"],
      packedInputs: true,
      packedOutput: true,
      outputShape: logits.shape,
      userCode: "void main() { setOutput(getAAtOutCoords()); }",
    };
    backend().disposeData(backend().runWebGLProgram(program, [logits], "float32").dataId);
  };
  return { copy, finish: () => backend().gpgpu.createAndWaitForFence(), dispose: () => {} };
}
