import * as tf from "@tensorflow/tfjs";
import { LiveBytes } from "./liveBytes.ts";

/** The most bytes that `body` held at the end of a kernel, beside what was there before. */
export function peakBytes(body: () => void): number {
  const meter = new LiveBytes();
  const engine = tf.engine();
  const { runKernel } = engine;
  let peak = 0;
  engine.runKernel = function <T>(this: typeof engine, ...all: unknown[]): T {
    const result = (runKernel as (...given: unknown[]) => T).apply(this, all);
    peak = Math.max(peak, meter.live);
    return result;
  } as typeof runKernel;
  try {
    body();
  } finally {
    Object.assign(engine, { runKernel });
    meter.stop();
  }
  return peak;
}
