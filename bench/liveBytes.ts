/** Follows the bytes that a backend holds for tensors. */
import type { Block, DataMap, MeasuredBackend } from "./backends.ts";

/**
 * A meter of the memory that was taken since it was made, read off the backend's own map of data: `tf.memory()` counts
 * a block once for each tensor that shares it. A block counts once, from the first tensor in it to the last.
 */
export class LiveBytes {
  #live = 0;
  #peak = 0;
  readonly #blocks = new Map<object, Block>();
  readonly #owners = new Map<object, number>();
  readonly #stop: () => void;

  constructor(map: DataMap, blockOf: MeasuredBackend["blockOf"]) {
    const { set, delete: remove } = map;
    map.set = (dataId, entry) => {
      set.call(map, dataId, entry);
      // A map may be told of the same data again.
      this.#release(dataId);
      this.#own(dataId, blockOf(entry));
    };
    map.delete = (dataId) => {
      this.#release(dataId);
      return remove.call(map, dataId);
    };
    this.#stop = () => Object.assign(map, { set, delete: remove });
  }

  /** The most bytes that were held at once. */
  get peak(): number {
    return this.#peak;
  }

  stop(): void {
    this.#stop();
  }

  #own(dataId: object, block: Block): void {
    const owners = this.#owners.get(block.storage) ?? 0;
    this.#blocks.set(dataId, block);
    this.#owners.set(block.storage, owners + 1);
    if (owners > 0) return;
    this.#live += block.bytes;
    this.#peak = Math.max(this.#peak, this.#live);
  }

  #release(dataId: object): void {
    const block = this.#blocks.get(dataId);
    if (block === undefined) return;
    const owners = (this.#owners.get(block.storage) ?? 1) - 1;
    this.#blocks.delete(dataId);
    if (owners > 0) {
      this.#owners.set(block.storage, owners);
      return;
    }
    this.#owners.delete(block.storage);
    this.#live -= block.bytes;
  }
}
