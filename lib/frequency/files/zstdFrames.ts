/** Whether bytes are whole frames of zstd (RFC 8878), by their headers; some runtimes decompress a cut file as if it were whole. */
export interface ZstdFrames {
  push(bytes: Uint8Array): void;
  /** Whether the bytes so far end where a frame does. */
  readonly areWhole: boolean;
}

const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;
const runLengthBlock = 1;

export function zstdFrames(): ZstdFrames {
  const reading = frames();
  // How many bytes come next, and whether they are only passed over.
  let wanted = reading.next().value as Wanted;
  let held: number[] = [];
  let passed = 0;
  const have = (): number => (wanted.isPassed ? passed : held.length);
  const goOn = (): void => {
    while (have() === wanted.size && wanted.size < Number.POSITIVE_INFINITY) {
      const bytes = held;
      [held, passed] = [[], 0];
      wanted = reading.next(bytes).value as Wanted;
    }
  };
  return {
    push: (bytes) => {
      for (let at = 0; at < bytes.length; ) {
        const size = Math.min(bytes.length - at, wanted.size - have());
        if (wanted.isPassed) passed += size;
        else held.push(...bytes.subarray(at, at + size));
        at += size;
        goOn();
      }
    },
    get areWhole() {
      return wanted.isStart && held.length === 0;
    },
  };
}

interface Wanted {
  readonly size: number;
  readonly isPassed: boolean;
  readonly isStart: boolean;
}

const take = (size: number, isStart = false): Wanted => ({ size, isPassed: false, isStart });
const pass = (size: number): Wanted => ({ size, isPassed: true, isStart: false });

/** Asks for one part of the file after the other; what it asks for without an end is no frame. */
function* frames(): Generator<Wanted, void, readonly number[]> {
  for (;;) {
    const magic = littleEndian(yield take(4, true));
    if (magic - (magic % 16) === skippableMagic) {
      yield pass(littleEndian(yield take(4)));
    } else if (magic === frameMagic) {
      const [descriptor] = yield take(1);
      const isSingleSegment = (descriptor & 32) !== 0;
      const ofDictionary = [0, 1, 2, 4][descriptor & 3];
      const ofContent = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6];
      yield pass((isSingleSegment ? 0 : 1) + ofDictionary + ofContent);
      for (let isLast = false; !isLast; ) {
        const header = littleEndian(yield take(3));
        isLast = (header & 1) === 1;
        yield pass(((header >> 1) & 3) === runLengthBlock ? 1 : header >> 3);
      }
      const hasChecksum = (descriptor & 4) !== 0;
      yield pass(hasChecksum ? 4 : 0);
    } else {
      yield pass(Number.POSITIVE_INFINITY);
    }
  }
}

function littleEndian(bytes: readonly number[]): number {
  return bytes.reduceRight((sum, byte) => 256 * sum + byte, 0);
}
