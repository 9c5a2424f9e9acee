import * as tf from "@tensorflow/tfjs";
import { attributesOf } from "./window.ts";

/**
 * A convolution whose "same" padding is worked out here. tensorflow.js's wasm kernels compute nothing, in silence, where
 * the stride is larger than the height or the width of the filter (1 × 1 filters excepted).
 */
export function samePaddingOf(original: tf.KernelConfig): tf.KernelConfig {
  const isDepthwise = original.kernelName.includes("Depthwise");
  return {
    ...original,
    kernelFunc: (parameters) => {
      const { x, filter } = parameters.inputs as { readonly x: tf.TensorInfo; readonly filter: tf.TensorInfo };
      const { strides, dilations, pad, dimRoundingMode, dataFormat } = attributesOf(parameters.attrs);
      if (pad !== "same" || dataFormat === "NCHW") return original.kernelFunc(parameters);
      const { padInfo } = tf.backend_util.computeConv2DInfo(
        x.shape as [number, number, number, number],
        filter.shape as [number, number, number, number],
        ...([strides, dilations, pad, dimRoundingMode, isDepthwise] as const),
      );
      const { top, bottom, left, right } = padInfo;
      const sides = [
        [0, 0],
        [top, bottom],
        [left, right],
        [0, 0],
      ] as unknown as tf.NamedAttrMap[string];
      return original.kernelFunc({ ...parameters, attrs: { ...parameters.attrs, pad: sides } });
    },
  };
}
