import { LossError } from "../loss/error.ts";
import { type CutKind, cutKinds, lastSafeCut, outsideNames, wholeCharacters } from "./safeCut.ts";
import type { TokenIds } from "./tokenHistogram.ts";
import type { AnyTokenizer, Tokenizer } from "./tokenizer.ts";

/** How long a text may be held back where it has no place to cut. */
export interface CutOptions {
  /**
   * The length of the pieces, in UTF-16 units, that text is cut into where it has no place to cut: a stretch of eight times
   * as many, or what is left of a document. 32768 by default. Such a cut may add a token, and `forcedCuts` says how often
   * there was one. Tokenizers take a time for text without spaces that grows with the square of its length.
   */
  readonly longestHoldBack?: number;
}

/** Encodes a document that arrives in pieces, a stretch at a time, to the tokens of the whole. */
export interface TextEncoding {
  push(text: string): void;
  /** The document is complete: what is held is encoded. */
  end(): void;
  readonly forcedCuts: number;
}

const defaultHoldBack = 32768;

/** So many times the hold-back is encoded at a time: tokenizers take longer for the parts of a cut text. */
const holdBacksAtOnce = 8;

/** The first cuts of a kind are tried out: encoding both parts must give the tokens of the whole. */
const trials = 3;

/**
 * How many cuts of a kind are still to be tried out with a tokenizer, for all documents; infinitely many once one was
 * wrong, so that it is not used.
 */
const trialsLeft = new WeakMap<AnyTokenizer, Map<CutKind, number>>();

function trialsOf(tokenizer: AnyTokenizer): Map<CutKind, number> {
  const left = trialsLeft.get(tokenizer) ?? new Map(cutKinds.map((kind) => [kind, trials]));
  trialsLeft.set(tokenizer, left);
  return left;
}

/** A document that cannot be cut is held whole; JavaScript has no strings that are much longer. */
const longestDocument = 2 ** 28;

/** `take` gets the tokens in order. */
export function textEncoding(
  { encode, names, source }: Pick<Tokenizer, "encode" | "names" | "source">,
  take: (ids: TokenIds) => void,
  options: CutOptions,
  where: string,
): TextEncoding {
  const { longestHoldBack = defaultHoldBack } = options;
  if (!Number.isSafeInteger(longestHoldBack) || longestHoldBack < 1) {
    throw new LossError(
      `${where}({ longestHoldBack })`,
      `got ${String(longestHoldBack)}`,
      "Give a whole number of at least 1",
    );
  }
  const toTry = trialsOf(source);
  const step = holdBacksAtOnce * Math.min(defaultHoldBack, longestHoldBack);
  let [held, forcedCuts, enough] = ["", 0, step];

  const cutAt = (length: number): void => {
    take(encode(held.slice(0, length)));
    held = held.slice(length);
  };
  /** Whether the parts have the tokens of the whole. */
  const isTried = (length: number): boolean => {
    const whole = encode(held);
    const [left, right] = [encode(held.slice(0, length)), encode(held.slice(length))];
    if (left.length + right.length !== whole.length) return false;
    for (let i = 0; i < whole.length; i++) {
      if (whole[i] !== (i < left.length ? left[i] : right[i - left.length])) return false;
    }
    return true;
  };
  const isSafe = (kind: CutKind, length: number): boolean => {
    const left = toTry.get(kind) as number;
    if (length === 0 || left === Number.POSITIVE_INFINITY) return false;
    if (left === 0) return true;
    const tried = isTried(length);
    toTry.set(kind, tried ? left - 1 : Number.POSITIVE_INFINITY);
    return tried;
  };
  const cut = (): void => {
    for (const kind of cutKinds) {
      const length = outsideNames(held, lastSafeCut(held, kind), names);
      if (!isSafe(kind, length)) continue;
      cutAt(length);
      return;
    }
    if (toTry.get("space") === Number.POSITIVE_INFINITY) {
      if (held.length <= longestDocument) return;
      throw new LossError(
        `${where}({ tokenizer })`,
        `a document is longer than ${longestDocument} characters, and the tokenizer's tokens of a text are not those of its parts`,
        "Give shorter documents",
      );
    }
    force();
  };
  /** Cuts text that has no safe place, wherever that is no character and no name. */
  const force = (): void => {
    while (held.length > longestHoldBack) {
      const length = outsideNames(held, wholeCharacters(held, longestHoldBack), names);
      if (length === 0) return;
      forcedCuts++;
      cutAt(length);
    }
  };
  return {
    push: (text) => {
      for (let start = 0; start < text.length; start += step) {
        held += text.slice(start, start + step);
        if (held.length < enough) continue;
        cut();
        // What could not be cut is not searched anew for each few characters more.
        enough = Math.max(step, 2 * held.length);
      }
    },
    end: () => {
      const isWhole = held.length <= longestHoldBack || toTry.get("space") === Number.POSITIVE_INFINITY;
      if (!isWhole && cutKinds.every((kind) => lastSafeCut(held, kind) === 0)) force();
      if (held !== "") cutAt(held.length);
      enough = step;
    },
    get forcedCuts() {
      return forcedCuts;
    },
  };
}
