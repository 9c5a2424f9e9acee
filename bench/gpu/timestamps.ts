/** How long a tick of the device's timestamps is. WebGPU asks for nanoseconds, and some runtimes give the GPU's own. */
import { setTimeout as pause } from "node:timers/promises";

/** A moment on both clocks. */
interface Moment {
  readonly milliseconds: number;
  readonly ticks: bigint;
}

const pauseMilliseconds = 1000;

/** As near to nanoseconds as the wall clock is trusted to tell; GPUs that count otherwise have ticks of 10 ns and more. */
const tolerance = 0.1;

/**
 * The nanoseconds of a tick: two timestamps, and the wall clock beside them. Null where the device has no timestamps, or
 * they stand still.
 */
export async function nanosecondsPerTick(device: GPUDevice): Promise<number | null> {
  if (!device.features.has("timestamp-query")) return null;
  // The first one waits for the program to be compiled.
  await now(device);
  const before = await now(device);
  await pause(pauseMilliseconds);
  const after = await now(device);
  const ticks = Number(after.ticks - before.ticks);
  if (!(ticks > 0)) return null;
  const measured = (1e6 * (after.milliseconds - before.milliseconds)) / ticks;
  return Math.abs(measured - 1) < tolerance ? 1 : measured;
}

/** When a program began that the device, which was idle, was sent. It is one that runs: not all drivers time empty passes. */
async function now(device: GPUDevice): Promise<Moment> {
  const bytes = 2 * BigUint64Array.BYTES_PER_ELEMENT;
  const querySet = device.createQuerySet({ type: "timestamp", count: 2 });
  const resolved = device.createBuffer({ size: bytes, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
  const read = device.createBuffer({ size: bytes, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const module = device.createShaderModule({ code: "@compute @workgroup_size(1) fn main() {}" });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass({
    timestampWrites: { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
  });
  pass.setPipeline(device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" } }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, read, 0, bytes);
  const commands = encoder.finish();
  const milliseconds = performance.now();
  device.queue.submit([commands]);
  await read.mapAsync(GPUMapMode.READ);
  const [ticks] = new BigUint64Array(read.getMappedRange().slice(0));
  for (const owned of [querySet, resolved, read]) owned.destroy();
  return { milliseconds, ticks };
}
