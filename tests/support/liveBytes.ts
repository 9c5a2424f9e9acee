import * as tf from "@tensorflow/tfjs";

interface TensorInfo {
  readonly bytes: number;
}

/** The bytes of the data buffers that tensors hold; tf.memory().numBytes counts a buffer once for each handle. */
export class LiveBytes {
  #live = 0;
  readonly #stop: () => void;

  constructor() {
    const { tensorInfo } = (tf.engine() as unknown as { state: { tensorInfo: WeakMap<object, TensorInfo> } }).state;
    const { set, delete: remove } = WeakMap.prototype;
    const known = new WeakSet<object>();
    tensorInfo.set = (dataId, info) => {
      known.add(dataId);
      this.#live += info.bytes;
      return set.call(tensorInfo, dataId, info) as typeof tensorInfo;
    };
    tensorInfo.delete = (dataId) => {
      if (known.has(dataId)) this.#live -= tensorInfo.get(dataId)?.bytes ?? 0;
      return remove.call(tensorInfo, dataId);
    };
    this.#stop = () => Object.assign(tensorInfo, { set, delete: remove });
  }

  /** What was made since the meter started and is still held. */
  get live(): number {
    return this.#live;
  }

  stop(): void {
    this.#stop();
  }
}

/** The most bytes that are held at a time while `body` runs, of those that it makes; looked at after each op. */
export function peakBytes(body: () => void): number {
  const engine = tf.engine();
  const { runKernel } = engine;
  const meter = new LiveBytes();
  let peak = 0;
  engine.runKernel = function <T>(this: typeof engine, ...all: unknown[]): T {
    const result = (runKernel as (...given: unknown[]) => T).apply(this, all);
    peak = Math.max(peak, meter.live);
    return result;
  } as typeof runKernel;
  try {
    body();
  } finally {
    engine.runKernel = runKernel;
    meter.stop();
  }
  return peak;
}
