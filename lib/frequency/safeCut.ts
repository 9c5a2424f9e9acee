/**
 * Where text may be cut so that encoding its parts gives the tokens of the whole. No tokenizer takes text in pieces, but
 * those of the BPE family first split it by a regular expression, left to right, and no token reaches across such a
 * split. Between a character and a space after it there always is one: the space goes with what follows. So there is,
 * for r50k, p50k, cl100k and o200k, between a letter or a digit and a punctuation mark or a symbol, an apostrophe
 * excepted. That is of use where text has no spaces, as Chinese and base64.
 */

/** The kinds of places, the better one first. */
export type CutKind = "space" | "punctuation";

export const cutKinds: readonly CutKind[] = ["space", "punctuation"];

/** The last place of a kind within `text`: the length of the part before it, or 0 where there is none. */
export function lastSafeCut(text: string, kind: CutKind): number {
  return kind === "space" ? lastSpace(text) : lastPunctuation(text);
}

function lastSpace(text: string): number {
  for (let at = text.lastIndexOf(" "); at > 0; at = text.lastIndexOf(" ", at - 1)) {
    if (!isSpace(text, at - 1)) return at;
  }
  return 0;
}

/** Control characters count as spaces, too: not to cut after one is always right. */
function isSpace(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code <= 32 || (code >= 127 && /[\s\u0080-\u009f]/.test(text[at]));
}

const beforePunctuation = /[\p{L}\p{N}](?=[\p{P}\p{S}])(?!['’])/gu;

/** So much text is searched at a time, from the end. */
const window = 1024;

function lastPunctuation(text: string): number {
  for (let end = text.length; end > 0; end -= window) {
    const start = Math.max(0, end - window);
    // One character more on each side: a place may be where two windows meet.
    const found = [...text.slice(Math.max(0, start - 2), end + 2).matchAll(beforePunctuation)].at(-1);
    if (found !== undefined) return Math.max(0, start - 2) + found.index + found[0].length;
  }
  return 0;
}

/**
 * `at`, or where a name begins that a cut there would be within: a special token is found before anything else, so that
 * its name is cut off safely, and one that is cut through is lost. A name may be complete only in text to come.
 */
export function outsideNames(text: string, at: number, names: readonly string[]): number {
  for (const name of names) {
    for (let start = Math.max(0, at - name.length + 1); start < at; start++) {
      if (name.startsWith(text.slice(start, start + name.length))) return start;
    }
  }
  return at;
}

/** The largest length up to `at` that does not cut a surrogate pair. */
export function wholeCharacters(text: string, at: number): number {
  const code = text.charCodeAt(at - 1);
  return code >= 0xd800 && code < 0xdc00 ? at - 1 : at;
}
