import * as tf from "@tensorflow/tfjs";
import { alias, type WasmBackend } from "./backend.ts";
import { attributesOf, refuseChannelsFirst, type Window2D } from "./window.ts";

/** How many numbers a block of patches has at most: 16 MiB. */
const blockSize = 2 ** 22;

/**
 * Conv2DBackpropFilter, which the wasm backend lacks: the patches of x that the filter saw are laid out as rows, and
 * their transpose times dy is the gradient of the filter.
 */
export const conv2DBackpropFilter: tf.KernelConfig = {
  kernelName: "Conv2DBackpropFilter",
  backendName: "wasm",
  kernelFunc: ({ inputs, backend: given, attrs }) => {
    const backend = given as WasmBackend;
    const { x, dy } = inputs as { readonly x: tf.TensorInfo; readonly dy: tf.TensorInfo };
    const { strides, pad, dataFormat, dimRoundingMode, filterShape } = attributesOf(attrs);
    refuseChannelsFirst("Conv2DBackpropFilter", dataFormat);
    const size = filterShape as [number, number, number, number];
    const window = tf.backend_util.computeConv2DInfo(
      x.shape as [number, number, number, number],
      size,
      ...([strides, 1, pad, dimRoundingMode, false] as const),
    );
    const positions = window.outHeight * window.outWidth;
    const patch = size[0] * size[1] * size[2];
    const outputs = size[3];
    const output = backend.makeOutput([patch, outputs], "float32");
    backend.typedArrayFromHeap(output).fill(0);
    const images = Math.max(1, Math.floor(blockSize / Math.max(1, positions * patch)));
    for (let first = 0; first < window.batchSize; first += images) {
      const count = Math.min(images, window.batchSize - first);
      const rows = patches(backend, x, window, first, count);
      const cotangents = rowsOf(backend, dy, [positions * count, outputs], first * positions);
      const product = matMul(backend, rows, cotangents);
      const [sums, terms] = [output, product].map((info) => backend.typedArrayFromHeap(info));
      for (let i = 0; i < terms.length; i++) sums[i] += terms[i];
      for (const { dataId } of [rows, cotangents, product]) backend.disposeData(dataId);
    }
    return { ...output, shape: [...size] };
  },
};

/** The entries of x under each position of the filter in some images, [positions, filter height · width · channels]. */
function patches(
  backend: WasmBackend,
  x: tf.TensorInfo,
  window: Window2D,
  first: number,
  count: number,
): tf.TensorInfo {
  const { outHeight, outWidth, inHeight, inWidth, inChannels, filterHeight, filterWidth } = window;
  const rowLength = filterWidth * inChannels;
  const rows = backend.makeOutput([count * outHeight * outWidth, filterHeight * rowLength], "float32");
  const [from, to] = [x, rows].map((info) => backend.typedArrayFromHeap(info));
  to.fill(0);
  let at = 0;
  for (let image = first; image < first + count; image++) {
    for (let outY = 0; outY < outHeight; outY++) {
      for (let outX = 0; outX < outWidth; outX++) {
        const left = outX * window.strideWidth - window.padInfo.left;
        // The columns of the filter that lie within the image.
        const begin = Math.max(0, -left);
        const length = Math.min(filterWidth, inWidth - left) - begin;
        for (let filterY = 0; filterY < filterHeight; filterY++, at += rowLength) {
          const y = outY * window.strideHeight - window.padInfo.top + filterY;
          if (y < 0 || y >= inHeight || length <= 0) continue;
          const source = ((image * inHeight + y) * inWidth + left + begin) * inChannels;
          const target = at + begin * inChannels;
          for (let i = 0; i < length * inChannels; i++) to[target + i] = from[source + i];
        }
      }
    }
  }
  return rows;
}

/** Some rows of a matrix: the matrix itself where they are all of it. */
function rowsOf(backend: WasmBackend, info: tf.TensorInfo, shape: [number, number], first: number): tf.TensorInfo {
  const size = shape[0] * shape[1];
  if (size === info.shape.reduce((product, length) => product * length, 1)) return alias(backend, info, shape);
  const rows = backend.makeOutput(shape, "float32");
  const [from, to] = [info, rows].map((each) => backend.typedArrayFromHeap(each));
  to.set(from.subarray(first * shape[1], first * shape[1] + size));
  return rows;
}

/** aᵀ b */
function matMul(backend: WasmBackend, a: tf.TensorInfo, b: tf.TensorInfo): tf.TensorInfo {
  const kernel = tf.getKernel("BatchMatMul", "wasm");
  const attrs = { transposeA: true, transposeB: false };
  return kernel.kernelFunc({ inputs: { a, b }, backend, attrs }) as tf.TensorInfo;
}
