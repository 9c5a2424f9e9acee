/** What the benchmark of a GPU found. */
import type { Shape } from "../batches.ts";
import type { CompositionName } from "../compositions.ts";
import type { Interleaved } from "../interleaved.ts";
import type { PassName } from "../passes.ts";
import type { ContenderName, Results } from "../results.ts";
import type { Adapter } from "./adapter.ts";

/** Who is timed on the device; and ours by the wall clock in the same rounds, to be compared with its device time. */
export type DeviceContenderName = ContenderName | "lossmithByWall";

/** Device times of plain cross entropy and its contenders, in one shape. */
export interface DeviceCase extends Shape {
  readonly timings: Readonly<Record<PassName, Interleaved<DeviceContenderName>>>;
  /** The share of the programs over all N · V entries in our time, in one call. */
  readonly wideShares: Readonly<Record<PassName, number>>;
  readonly bandwidths: Readonly<Record<PassName, Bandwidth>>;
}

/** Device times of compositions, forward and backward. */
export type DeviceComposition = Shape & Interleaved<CompositionName>;

/** Times by the device's timestamps. */
export interface DeviceTimes {
  /** What ticks were multiplied by. */
  readonly nanosecondsPerTick: number;
  readonly cases: readonly DeviceCase[];
  readonly compositions: readonly DeviceComposition[];
}

/** How near to the limit of the device's memory cross entropy comes. A GB is 10^9 bytes. */
export interface Bandwidth {
  /** What has to move, however it is computed, over our time. */
  readonly gigabytesPerSecond: number;
  readonly copyGigabytesPerSecond: number;
  /** The one over the other, by the median ratio of the times within a round. */
  readonly shareOfCopy: number;
}

/** The file of a GPU: the wall times and all that is counted, as for other backends, and the device times. */
export interface GpuResults extends Results {
  readonly adapter: Adapter;
  /** Null where the device has no timestamps. */
  readonly device: DeviceTimes | null;
  /** Shapes that were left out, since the device binds no buffer of such a size. */
  readonly tooLarge: readonly Shape[];
}

/** How often the logits' bytes have to move: a read; with the gradient another read, and its write. */
const transfers: Readonly<Record<PassName | "copy", number>> = { forward: 1, forwardAndBackward: 3, copy: 2 };

/** The shapes whose logits, or their gradient, a device binds as one buffer, and those that are too large for it. */
export function splitByBinding(
  shapes: readonly Shape[],
  largestBytes: number,
): { readonly fitting: readonly Shape[]; readonly tooLarge: readonly Shape[] } {
  return {
    fitting: shapes.filter((shape) => bytesOf(shape) <= largestBytes),
    tooLarge: shapes.filter((shape) => bytesOf(shape) > largestBytes),
  };
}

/** The bytes of a shape's logits. */
export function bytesOf({ rows, classes }: Shape): number {
  return Float32Array.BYTES_PER_ELEMENT * rows * classes;
}

export function bandwidthOf(shape: Shape, pass: PassName, { timings }: Interleaved<DeviceContenderName>): Bandwidth {
  const { lossmith, copy } = timings;
  if (lossmith === undefined || copy === undefined) throw new Error("neither ours nor the copy can be left out");
  const speed = (moved: PassName | "copy", milliseconds: number): number =>
    (transfers[moved] * bytesOf(shape)) / milliseconds / 1e6;
  return {
    gigabytesPerSecond: speed(pass, lossmith.medianMilliseconds),
    copyGigabytesPerSecond: speed("copy", copy.medianMilliseconds),
    shareOfCopy: (transfers[pass] / transfers.copy) * copy.medianRatioToFirst,
  };
}

/** A call's programs are done within its wall time, which may be of a slower or a faster while. */
const leastWallPerDevice = 0.8;

/** The shapes where a call took less by the wall clock than its programs by the timestamps: one of the two is wrong. */
export function doubtfulShapes(cases: readonly DeviceCase[]): readonly Shape[] {
  const isDoubtful = ({ timings }: Interleaved<DeviceContenderName>): boolean =>
    (timings.lossmithByWall?.medianRatioToFirst ?? Number.POSITIVE_INFINITY) < leastWallPerDevice;
  return cases.filter(({ timings }) => Object.values(timings).some(isDoubtful));
}
