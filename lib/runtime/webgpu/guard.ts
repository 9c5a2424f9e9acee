/**
 * What tensorflow.js's webgpu backend does in silence becomes an error: a program that the device refused, a buffer that
 * is too large, a tensor read without waiting, a lost device.
 */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { LossError } from "../../loss/error.ts";
import { goneFrom } from "../engine.ts";

/** A backend whose silence is broken. */
export interface Guarded {
  readonly backend: WebGPUBackend;
  /** What has happened to it; null while it runs. */
  readonly ending: () => LossError | null;
  /** Resolves when the reads in flight have ended. */
  readonly settle: () => Promise<void>;
  /** Frees the device and all that is on it. */
  readonly destroy: () => void;
}

/**
 * How long an error of a read waits for the news that the device is lost, in milliseconds: in a browser on a busy machine it
 * comes from another process, after the read was broken off.
 */
const newsOfLoss = 2000;

const kinds = ["validation", "out-of-memory", "internal"] as const satisfies readonly GPUErrorFilter[];

/**
 * Error scopes around all that the device is given. The event for errors outside of any scope may come after the buffer
 * that it spoilt was read.
 */
function openScopes(device: GPUDevice): void {
  for (const kind of kinds) device.pushErrorScope(kind);
}

/** The first error of each kind since the scopes were opened; they are opened anew at once. */
async function errorsInScopes(device: GPUDevice): Promise<readonly string[]> {
  const popped = kinds.map(() => device.popErrorScope().catch(() => null));
  openScopes(device);
  return (await Promise.all(popped)).flatMap((error) => (error === null ? [] : [error.message]));
}

export function guard(backend: WebGPUBackend): Guarded {
  const { device, bufferManager } = backend;
  /** What the device refused, and how much of it was thrown. */
  const reported: string[] = [];
  let thrown = 0;
  let end: LossError | null = null;
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    reported.push((event as GPUUncapturedErrorEvent).error.message);
  });
  const lost = device.lost.then(({ reason, message }) => {
    const because = [reason, message].filter((text) => text).join(": ") || "no reason is given";
    end ??= goneFrom("webgpu", `the device was lost (${because})`);
  });

  openScopes(device);

  const throwSince = (first: number): void => {
    if (end !== null) throw end;
    if (reported.length === first) return;
    thrown = reported.length;
    throw new LossError(
      "webgpu",
      `the device refused a command: ${reported.slice(first).join("; ")}`,
      "Numbers read since are not to be trusted",
    );
  };

  const { read, readSync } = backend;
  const checkedRead: WebGPUBackend["read"] = async (dataId) => {
    throwSince(thrown);
    // What another read in flight throws concerns this one too.
    const first = thrown;
    try {
      const [values, errors] = await Promise.all([read.call(backend, dataId), errorsInScopes(device)]);
      reported.push(...errors);
      throwSince(first);
      return values;
    } catch (error) {
      if (error instanceof LossError) throw error;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise((resolve) => {
        timer = setTimeout(resolve, newsOfLoss);
      });
      await Promise.race([lost, late]);
      clearTimeout(timer);
      throwSince(first);
      throw error;
    }
  };
  const reads = new Set<Promise<unknown>>();
  backend.read = async (dataId) => {
    const reading = checkedRead(dataId);
    reads.add(reading);
    try {
      return await reading;
    } finally {
      reads.delete(reading);
    }
  };
  backend.readSync = (dataId) => {
    const { values, dtype } = backend.tensorMap.get(dataId);
    if (values !== undefined && values !== null) return readSync.call(backend, dataId);
    if (end !== null) throw end;
    throw new LossError(
      "webgpu",
      `a ${dtype} tensor was read without waiting for the device`,
      "Use await tensor.data() in place of tensor.dataSync(), and array() in place of arraySync(); print() and another " +
        "backend that takes the tensor over do not wait either",
    );
  };

  const largest = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const { acquireBuffer } = bufferManager;
  bufferManager.acquireBuffer = (size, ...rest) => {
    if (end !== null) throw end;
    if (size > largest) {
      throw new LossError(
        "webgpu",
        `a tensor needs a buffer of ${size} bytes, and the device binds ${largest} at most`,
        "Make the batch smaller, or split the tensor",
      );
    }
    return acquireBuffer.call(bufferManager, size, ...rest);
  };

  const destroy = (): void => {
    end ??= goneFrom("webgpu", "the backend was disposed of");
    device.destroy();
  };
  return {
    backend,
    ending: () => end,
    settle: async () => {
      await Promise.allSettled(reads);
    },
    destroy,
  };
}
