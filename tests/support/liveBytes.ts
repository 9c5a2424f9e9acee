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
