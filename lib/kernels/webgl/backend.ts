/** The part of tensorflow.js's webgl backend that kernels of ours use. */
import * as tf from "@tensorflow/tfjs";

/** A number that a program reads next to its tensors. */
export interface UniformNumber {
  readonly name: string;
  readonly type: "float";
}

/**
 * A fragment program of tensorflow.js. With packed inputs and outputs a texel holds the entries of two rows and two
 * columns: (r, c), (r, c + 1), (r + 1, c), (r + 1, c + 1), or two entries of a vector. The source text and the shapes of
 * the inputs are the key under which tensorflow.js keeps the compiled program.
 */
export interface WebglProgram {
  readonly variableNames: readonly string[];
  readonly outputShape: readonly number[];
  readonly userCode: string;
  readonly packedInputs: true;
  readonly packedOutput: true;
  readonly customUniforms: readonly UniformNumber[];
}

interface TextureData {
  readonly texture: object | null | undefined;
  readonly isPacked: boolean | undefined;
}

export interface WebglBackend extends tf.KernelBackend {
  readonly texData: { get(dataId: object): TextureData };
  runWebGLProgram(
    program: WebglProgram,
    inputs: readonly tf.TensorInfo[],
    dtype: tf.DataType,
    uniforms: readonly (readonly number[])[],
  ): tf.TensorInfo;
  packTensor(input: tf.TensorInfo): tf.TensorInfo;
}

export function currentBackend(): WebglBackend {
  return tf.backend() as WebglBackend;
}

/** Why no program of ours runs on this device; null if they do. */
export function deviceRefusal(): string | null {
  const env = tf.env();
  if (env.getNumber("WEBGL_VERSION") < 2) return "it needs WebGL 2";
  if (!env.getBool("WEBGL_RENDER_FLOAT32_ENABLED"))
    return "it needs textures of float32, and this device has float16 only";
  return null;
}

/**
 * The tensor itself where a program would read it as it is; else a packed copy to be disposed, so that several programs
 * share one copy. The results of most of tensorflow.js's ops are packed.
 */
export function packed<T extends tf.Tensor>(tensor: T): T {
  const backend = currentBackend();
  const { texture, isPacked } = backend.texData.get(tensor.dataId);
  if (tensor.size === 0 || isPacked === true || texture === null || texture === undefined) return tensor;
  return tf.engine().makeTensorFromTensorInfo(backend.packTensor(tensor)) as T;
}
