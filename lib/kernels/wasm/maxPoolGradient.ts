import * as tf from "@tensorflow/tfjs";
import { type WasmBackend, zeros } from "./backend.ts";
import { attributesOf, visitWindow } from "./window.ts";

/**
 * MaxPoolGrad: each window's cotangent goes to the first of its largest entries. tensorflow.js's wasm kernel takes the
 * smallest positive number for the lowest one, and drops the gradient of windows without a positive entry.
 */
export const maxPoolGrad: tf.KernelConfig = {
  kernelName: "MaxPoolGrad",
  backendName: "wasm",
  kernelFunc: ({ inputs, backend: given, attrs }) => {
    const backend = given as WasmBackend;
    const { dy, input } = inputs as { readonly dy: tf.TensorInfo; readonly input: tf.TensorInfo };
    const { filterSize, strides, pad, dimRoundingMode } = attributesOf(attrs);
    const shape = input.shape as [number, number, number, number];
    const window = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
    const output = zeros(backend, shape, input.dtype);
    const [entries, cotangents, sums] = [input, dy, output].map((info) => backend.typedArrayFromHeap(info));
    const { inHeight, inWidth, inChannels: channels } = window;
    // Of each channel of a window.
    const largest = new Float32Array(channels);
    const place = new Int32Array(channels);
    let at = 0;
    for (let image = 0; image < window.batchSize; image++) {
      for (let outY = 0; outY < window.outHeight; outY++) {
        for (let outX = 0; outX < window.outWidth; outX++, at += channels) {
          largest.fill(Number.NEGATIVE_INFINITY);
          place.fill(-1);
          visitWindow(window, outY, outX, (_filterY, _filterX, y, x) => {
            const here = ((image * inHeight + y) * inWidth + x) * channels;
            for (let channel = 0; channel < channels; channel++) {
              if (!(entries[here + channel] > largest[channel])) continue;
              largest[channel] = entries[here + channel];
              place[channel] = here + channel;
            }
          });
          for (let channel = 0; channel < channels; channel++) {
            if (place[channel] >= 0) sums[place[channel]] += cotangents[at + channel];
          }
        }
      }
    }
    return output;
  },
};
