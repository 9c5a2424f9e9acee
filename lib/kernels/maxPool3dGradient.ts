import * as tf from "@tensorflow/tfjs";
import type { Memory } from "./memory.ts";

type Sizes = [number, number, number];

interface Attributes {
  readonly filterSize: number | Sizes;
  readonly strides: number | Sizes;
  readonly pad: "valid" | "same" | number;
  readonly dimRoundingMode?: "floor" | "round" | "ceil";
}

/**
 * MaxPool3DGrad: each window's cotangent goes to the first of its largest entries. tensorflow.js's cpu kernel
 * finds another entry where a window is not as wide as it is high.
 */
export function maxPool3dGradOn<Backend>(backendName: string, memory: Memory<Backend>): tf.KernelConfig {
  return {
    kernelName: "MaxPool3DGrad",
    backendName,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const dy = inputs["dy"] as tf.TensorInfo;
      const input = inputs["input"] as tf.TensorInfo;
      const { filterSize, strides, pad, dimRoundingMode } = attrs as unknown as Attributes;
      const shape = input.shape as [number, number, number, number, number];
      const windows = tf.backend_util.computePool3DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
      const output = memory.zeros(backend as Backend, shape, input.dtype);
      const [entries, cotangents, sums] = [input, dy, output].map((info) => memory.values(backend as Backend, info));
      const { batchSize, outDepth, outHeight, outWidth, inDepth, inHeight, inWidth, inChannels, padInfo } = windows;
      const rangesZ = ranges(outDepth, windows.strideDepth, padInfo.front, windows.filterDepth, inDepth);
      const rangesY = ranges(outHeight, windows.strideHeight, padInfo.top, windows.filterHeight, inHeight);
      const rangesX = ranges(outWidth, windows.strideWidth, padInfo.left, windows.filterWidth, inWidth);
      let at = 0;
      for (let volume = 0; volume < batchSize; volume++) {
        const start = volume * inDepth * inHeight * inWidth * inChannels;
        for (const z of rangesZ) {
          for (const y of rangesY) {
            for (const x of rangesX) {
              for (let channel = 0; channel < inChannels; channel++, at++) {
                const place = largest(z, y, x, (i, j, k) => {
                  return start + ((i * inHeight + j) * inWidth + k) * inChannels + channel;
                });
                if (place >= 0) sums[place] += cotangents[at];
              }
            }
          }
        }
      }
      return output;

      function largest(z: Range, y: Range, x: Range, placeOf: (i: number, j: number, k: number) => number): number {
        let found = -1;
        for (let i = z.from; i < z.to; i++) {
          for (let j = y.from; j < y.to; j++) {
            for (let k = x.from; k < x.to; k++) {
              const place = placeOf(i, j, k);
              if (found < 0 ? !Number.isNaN(entries[place]) : entries[place] > entries[found]) found = place;
            }
          }
        }
        return found;
      }
    },
  };
}

/** The places of one dimension that a window covers. */
interface Range {
  readonly from: number;
  readonly to: number;
}

function ranges(windows: number, stride: number, padding: number, filter: number, length: number): readonly Range[] {
  return Array.from({ length: windows }, (_, i) => {
    const first = i * stride - padding;
    return { from: Math.max(0, first), to: Math.min(first + filter, length) };
  });
}
