/** A window that moves over images: what convolutions and pools have in common. */
import type * as tf from "@tensorflow/tfjs";

export type Window2D = ReturnType<typeof tf.backend_util.computeConv2DInfo>;

type Pair = number | [number, number];

/** The attributes of the kernels here. */
export interface WindowAttributes {
  readonly strides: Pair;
  readonly dilations: Pair;
  readonly pad: "valid" | "same" | number;
  readonly dimRoundingMode: "floor" | "round" | "ceil";
  readonly dataFormat: "NHWC" | "NCHW";
  readonly filterSize: Pair;
  readonly filterShape: number[];
  readonly inputShape: number[];
}

export function attributesOf(attrs: tf.NamedAttrMap | undefined): WindowAttributes {
  return attrs as unknown as WindowAttributes;
}

export function refuseChannelsFirst(kernelName: string, dataFormat: string): void {
  if (dataFormat === "NCHW") throw new Error(`${kernelName} on wasm takes NHWC, not NCHW`);
}

/** Calls `visit` for each place of an image's window that lies in the image. */
export function visitWindow(
  window: Window2D,
  outY: number,
  outX: number,
  visit: (filterY: number, filterX: number, y: number, x: number) => void,
): void {
  const top = outY * window.strideHeight - window.padInfo.top;
  const left = outX * window.strideWidth - window.padInfo.left;
  for (let filterY = Math.max(0, -top); filterY < Math.min(window.filterHeight, window.inHeight - top); filterY++) {
    for (let filterX = Math.max(0, -left); filterX < Math.min(window.filterWidth, window.inWidth - left); filterX++) {
      visit(filterY, filterX, top + filterY, left + filterX);
    }
  }
}
