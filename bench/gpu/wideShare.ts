/** How much of a call's device time is in the programs over all entries, and how much in the small ones beside them. */
import * as tf from "@tensorflow/tfjs";
import { webgpuBackend } from "../backends/webgpu.ts";

/** The share of the programs that read or write `wideSize` entries in the device time of a call. */
export async function wideShareOf(call: () => void, wideSize: number): Promise<number> {
  const backend = webgpuBackend();
  const original = backend.runWebGPUProgram;
  const isWide: boolean[] = [];
  backend.runWebGPUProgram = (program, inputs, ...rest) => {
    const output = original.call(backend, program, inputs, ...rest);
    isWide.push([...inputs, output].some(({ shape }) => tf.util.sizeFromShape(shape) >= wideSize));
    return output;
  };
  const timed = tf.time(call).finally(() => {
    backend.runWebGPUProgram = original;
  });
  const times = programTimes(await timed);
  if (times.length !== isWide.length) throw new Error(`${times.length} of ${isWide.length} programs were timed`);
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, x) => total + x, 0);
  return sum(times.filter((_, i) => isWide[i])) / sum(times);
}

/** tensorflow.js gives the times of single programs as text alone: "name: time, name: time". */
function programTimes(timing: tf.TimingInfo): readonly number[] {
  const { getExtraProfileInfo } = timing as tf.TimingInfo & { readonly getExtraProfileInfo: () => string };
  return getExtraProfileInfo()
    .split(", ")
    .map((entry) => Number(entry.slice(entry.lastIndexOf(": ") + 2)));
}
