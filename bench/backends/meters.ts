/** Meters of the memory that tensors take. `tf.memory()` counts a block once for each tensor that shares it. */

/** Follows memory that is taken from when the meter was made until it is stopped. */
export interface Meter {
  /** The most bytes that were held at once. */
  readonly peakBytes: number;
  readonly stop: () => void;
}

/** A block of memory that a tensor's entries lie in; tensors that share it have the same `storage`. */
export interface Block {
  readonly storage: object;
  readonly bytes: number;
}

/** The map from tensors' ids to their data, which a backend changes by `set` and `delete`. */
export interface DataMap {
  set(dataId: object, entry: object): void;
  delete(dataId: object): boolean;
}

/** Follows a backend's own map of data. A block counts once, from the first tensor in it to the last. */
export class LiveBlocks implements Meter {
  #live = 0;
  #peak = 0;
  readonly #blocks = new Map<object, Block>();
  readonly #owners = new Map<object, number>();
  readonly stop: () => void;

  constructor(map: DataMap, blockOf: (entry: object) => Block) {
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
    this.stop = () => {
      Object.assign(map, { set, delete: remove });
    };
  }

  get peakBytes(): number {
    return this.#peak;
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

/**
 * Looks at what is in use after each allocation of a GPU's memory. What was freed to be used again is not in use; what
 * commands that were not sent to the device yet still need is.
 */
export function allocationMeter<Method extends string>(
  allocator: Record<Method, (...given: never[]) => unknown>,
  method: Method,
  bytesInUse: () => number,
): Meter {
  const original = allocator[method];
  const before = bytesInUse();
  let peakBytes = 0;
  allocator[method] = (...given) => {
    const allocated: unknown = original.apply(allocator, given);
    peakBytes = Math.max(peakBytes, bytesInUse() - before);
    return allocated;
  };
  return {
    get peakBytes() {
      return peakBytes;
    },
    stop: () => {
      allocator[method] = original;
    },
  };
}
