import { outsideVocabulary } from "./ids.ts";

/** Token ids in an array or a typed array; 64-bit ones too. */
export type TokenIds = ArrayLike<number> | BigInt64Array | BigUint64Array;

/** How a histogram counts. */
export interface HistogramOptions {
  readonly vocabSize: number;
  readonly ignoreIndex: number;
  /** What an error is about. */
  readonly where: string;
  /** The position of the first id in errors; 0 by default. */
  readonly firstPosition?: number;
}

/** Counts of token ids that arrive a piece at a time. */
export interface TokenHistogram {
  /** Counts ids; a LossError names the position, among all that were added, of one outside the vocabulary. */
  add(ids: TokenIds): void;
  /** Counts the ids of an iterable. */
  addEach(ids: Iterable<number | bigint>): void;
  /** How many ids were added, ignored ones too. */
  readonly added: number;
  /** The counts so far. What had the ignore index is not among them. */
  read(): { readonly counts: Float64Array; readonly ignored: number };
}

/**
 * Additions go to 32-bit counts, which processors add to faster than to float64, and are moved to float64 before one can
 * overflow.
 */
const mostPending = 2 ** 32 - 1;

/** Ids in a form that no loop takes are copied, so many at a time. */
const blockLength = 16384;

/** A histogram of a vocabulary of `vocabSize` entries, which has been checked. */
export function tokenHistogram(options: HistogramOptions): TokenHistogram {
  const { vocabSize, ignoreIndex, where, firstPosition = 0 } = options;
  const pending = new Uint32Array(vocabSize);
  const counts = new Float64Array(vocabSize);
  let [position, pendingTokens, ignoredOutside] = [firstPosition, 0, 0];

  const settle = (): void => {
    for (let id = 0; id < vocabSize; id++) counts[id] += pending[id];
    pending.fill(0);
    pendingTokens = 0;
  };
  /** Counts `ids` by a loop that stops at what it cannot count, which is then looked at as it was given. */
  const addBy = <T extends ArrayLike<unknown>>(
    countFrom: CountFrom<T>,
    ids: T,
    given: ArrayLike<number | bigint>,
  ): void => {
    if (pendingTokens + ids.length > mostPending) settle();
    pendingTokens += ids.length;
    for (let i = countFrom(ids, 0, pending, vocabSize); i < ids.length; i = countFrom(ids, i + 1, pending, vocabSize)) {
      const id = numberOf(given[i]);
      if (id === ignoreIndex) ignoredOutside++;
      else if (typeof given[i] === "bigint" && id >= 0 && id < vocabSize) pending[id]++;
      else throw outsideVocabulary(id, position + i, vocabSize, where);
    }
    position += ids.length;
  };
  const addList = (ids: readonly (number | bigint)[]): void => addBy(countList, ids, ids);
  return {
    add: (ids) => {
      if (ids instanceof Int32Array || ids instanceof Uint16Array) {
        addBy(countRange, ids, ids);
      } else if (ids instanceof Uint32Array) {
        // An id from 2³¹ on becomes negative, which is no less outside a vocabulary.
        addBy(countRange, new Int32Array(ids.buffer, ids.byteOffset, ids.length), ids);
      } else if (Array.isArray(ids)) {
        addList(ids);
      } else {
        for (let start = 0; start < ids.length; start += blockLength) {
          const block: number[] = [];
          for (let i = start; i < Math.min(start + blockLength, ids.length); i++) block.push(numberOf(ids[i]));
          addList(block);
        }
      }
    },
    addEach: (ids) => {
      let block: number[] = [];
      for (const id of ids) {
        block.push(numberOf(id));
        if (block.length < blockLength) continue;
        addList(block);
        block = [];
      }
      addList(block);
    },
    get added() {
      return position - firstPosition;
    },
    read: () => {
      settle();
      const read = counts.slice();
      const ignoredInside = read[ignoreIndex] ?? 0;
      if (ignoredInside > 0) read[ignoreIndex] = 0;
      return { counts: read, ignored: ignoredOutside + ignoredInside };
    },
  };
}

function numberOf(id: number | bigint): number {
  return typeof id === "bigint" ? Number(id) : id;
}

/** Counts `ids` from `start` on, and says where it stopped: at what it cannot count, or at the end. */
type CountFrom<T> = (ids: T, start: number, counts: Uint32Array, vocabSize: number) => number;

/**
 * Counts from `start` on up to the first id outside the vocabulary, and says where that is. It is given arrays of two
 * types alone: of more, V8 makes no fast loop.
 */
function countRange(ids: Uint16Array | Int32Array, start: number, counts: Uint32Array, vocabSize: number): number {
  const { length } = ids;
  for (let i = start; i < length; i++) {
    const id = ids[i];
    if (id < 0 || id >= vocabSize) return i;
    counts[id]++;
  }
  return length;
}

/** The same of an array as tokenizers give it, up to the first entry that is no whole number of the vocabulary. */
function countList(ids: readonly unknown[], start: number, counts: Uint32Array, vocabSize: number): number {
  const { length } = ids;
  for (let i = start; i < length; i++) {
    const id = ids[i];
    if (typeof id !== "number" || (id | 0) !== id || id < 0 || id >= vocabSize) return i;
    counts[id]++;
  }
  return length;
}
