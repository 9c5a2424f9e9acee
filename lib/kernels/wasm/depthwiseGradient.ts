/** The gradients of a depthwise convolution, which the wasm backend lacks. */
import * as tf from "@tensorflow/tfjs";
import { type WasmBackend, zeros } from "./backend.ts";
import { attributesOf, visitWindow, type Window2D } from "./window.ts";

type Shape4D = [number, number, number, number];

/** y[b, i, j, c · m + q] = Σ x[b, i', j', c] f[u, v, c, q], so its gradients are sums over the same products. */
export const depthwiseBackpropFilter: tf.KernelConfig = {
  kernelName: "DepthwiseConv2dNativeBackpropFilter",
  backendName: "wasm",
  kernelFunc: ({ inputs, backend: given, attrs }) => {
    const backend = given as WasmBackend;
    const { x, dy } = inputs as { readonly x: tf.TensorInfo; readonly dy: tf.TensorInfo };
    const { filterShape } = attributesOf(attrs);
    const window = windowOf(x.shape, filterShape, attrs);
    const output = zeros(backend, filterShape, "float32");
    const [image, cotangent, filter] = [x, dy, output].map((info) => backend.typedArrayFromHeap(info));
    const { inChannels, outChannels } = window;
    const multiplier = outChannels / inChannels;
    visitProducts(window, (atX, atFilter, atY) => {
      for (let c = 0, k = 0; c < inChannels; c++) {
        for (let q = 0; q < multiplier; q++, k++) filter[atFilter + k] += image[atX + c] * cotangent[atY + k];
      }
    });
    return output;
  },
};

export const depthwiseBackpropInput: tf.KernelConfig = {
  kernelName: "DepthwiseConv2dNativeBackpropInput",
  backendName: "wasm",
  kernelFunc: ({ inputs, backend: given, attrs }) => {
    const backend = given as WasmBackend;
    const { dy, filter } = inputs as { readonly dy: tf.TensorInfo; readonly filter: tf.TensorInfo };
    const { inputShape } = attributesOf(attrs);
    const window = windowOf(inputShape, filter.shape, attrs);
    const output = zeros(backend, inputShape, "float32");
    const [cotangent, weights, image] = [dy, filter, output].map((info) => backend.typedArrayFromHeap(info));
    const { inChannels, outChannels } = window;
    const multiplier = outChannels / inChannels;
    visitProducts(window, (atX, atFilter, atY) => {
      for (let c = 0, k = 0; c < inChannels; c++) {
        let sum = 0;
        for (let q = 0; q < multiplier; q++, k++) sum += weights[atFilter + k] * cotangent[atY + k];
        image[atX + c] += sum;
      }
    });
    return output;
  },
};

function windowOf(inputShape: number[], filterShape: number[], attrs: tf.NamedAttrMap | undefined): Window2D {
  const { strides, dilations, pad, dimRoundingMode } = attributesOf(attrs);
  const window = tf.backend_util.computeConv2DInfo(
    inputShape as Shape4D,
    filterShape as Shape4D,
    ...([strides, dilations, pad, dimRoundingMode, true] as const),
  );
  // tensorflow.js refuses this before it comes here, on every backend.
  if (window.dilationHeight !== 1 || window.dilationWidth !== 1) {
    throw new Error("the gradient of a depthwise convolution takes no dilations");
  }
  return window;
}

/** Calls `visit` with the places, at channel 0, of each product of an entry of x and one of the filter. */
function visitProducts(window: Window2D, visit: (x: number, filter: number, y: number) => void): void {
  const { batchSize, outHeight, outWidth, outChannels, inHeight, inWidth, inChannels, filterWidth } = window;
  for (let image = 0, atY = 0; image < batchSize; image++) {
    for (let outY = 0; outY < outHeight; outY++) {
      for (let outX = 0; outX < outWidth; outX++, atY += outChannels) {
        visitWindow(window, outY, outX, (filterY, filterX, y, x) => {
          visit(
            ((image * inHeight + y) * inWidth + x) * inChannels,
            (filterY * filterWidth + filterX) * outChannels,
            atY,
          );
        });
      }
    }
  }
}
