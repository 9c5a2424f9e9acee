import { LossError } from "../loss/error.ts";

/** Text from the bytes of its UTF-8, which may be cut anywhere. */
export interface Utf8Reader {
  /** The text of all characters that are complete; a LossError names the byte where the bytes are no UTF-8. */
  read(bytes: Uint8Array): string;
  /** A LossError where the last character is not complete. */
  end(): void;
}

/** A byte order mark at the start is no part of the text. `firstByte` is where in a longer text the bytes begin. */
export function utf8Reader(where: string, firstByte = 0): Utf8Reader {
  // Whether the mark is left out is decided here, by the place: the decoder would do so in front of each piece.
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let held = new Uint8Array(0);
  let [offset, started] = [firstByte, firstByte > 0];
  const refuse = (at: number): never => {
    throw new LossError(
      where,
      `the text is not UTF-8 at byte ${offset + at}`,
      "Convert it to UTF-8 first, such as with iconv, or name the format of a file that is no text",
    );
  };
  return {
    read: (bytes) => {
      const all = held.length === 0 ? bytes : joined(held, bytes);
      const complete = all.length - incompleteTail(all);
      let text: string;
      try {
        text = decoder.decode(all.subarray(0, complete));
      } catch {
        return refuse(firstInvalid(decoder, all.subarray(0, complete)));
      }
      held = all.slice(complete);
      offset += complete;
      if (started || text === "") return text;
      started = true;
      return text.startsWith("\ufeff") ? text.slice(1) : text;
    },
    end: () => {
      if (held.length > 0) refuse(0);
    },
  };
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  const both = new Uint8Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}

/** How many bytes at the end begin a character without ending it. */
function incompleteTail(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (byte < 0x80) return 0;
    if (byte >= 0xf8) return 0;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
}

/** Where the first character begins that keeps `bytes` from being UTF-8, by bisection. */
function firstInvalid(decoder: TextDecoder, bytes: Uint8Array): number {
  const isValid = (length: number): boolean => {
    const start = bytes.subarray(0, length);
    try {
      decoder.decode(start.subarray(0, length - incompleteTail(start)));
      return true;
    } catch {
      return false;
    }
  };
  let [valid, invalid] = [0, bytes.length];
  while (invalid - valid > 1) {
    const middle = (valid + invalid) >> 1;
    if (isValid(middle)) valid = middle;
    else invalid = middle;
  }
  return valid - incompleteTail(bytes.subarray(0, valid));
}
