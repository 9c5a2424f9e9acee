/** Encoding the parts of a text that was cut where lib/frequency/safeCut.ts says gives the tokens of the whole. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as cl100k from "gpt-tokenizer/encoding/cl100k_base";
import * as o200k from "gpt-tokenizer/encoding/o200k_base";
import * as r50k from "gpt-tokenizer/encoding/r50k_base";
import { cutKinds, lastSafeCut } from "../../lib/frequency/safeCut.ts";

/** What the tokenizers' regular expressions tell apart, and what may join over a cut. */
const parts = [
  ..." \n\r\t'’.,/!?-_—。，、「§+$#@|<>=&*`^~\u00a0\u3000\u0085\u200b\u200d\u0301\ufe0f",
  ..."asSdlltT19ßéÉǅʰªאあ字漢한ক٣²ⅷ",
  ...[
    "  ",
    "\r\n",
    "'s",
    "'LL",
    "’re",
    " the",
    "Word",
    "2024",
    "e\u0301",
    "👩‍👧",
    "🇩🇪",
    "\ud83d",
    "()",
    "//",
    "...",
    "\u001c",
  ],
];
const text = fc.array(fc.constantFrom(...parts), { minLength: 2, maxLength: 24 }).map((items) => items.join(""));

describe("a safe cut", () => {
  for (const [name, { encode }] of Object.entries({ r50k, cl100k, o200k })) {
    test(`changes no token of ${name}`, () => {
      let cuts = 0;
      fc.assert(
        fc.property(text, (whole) => {
          const ids = encode(whole).join();
          for (const kind of cutKinds) {
            for (let at = lastSafeCut(whole, kind); at > 0; at = lastSafeCut(whole.slice(0, at), kind)) {
              cuts++;
              expect([...encode(whole.slice(0, at)), ...encode(whole.slice(at))].join()).toBe(ids);
            }
          }
        }),
        { numRuns: 600 },
      );
      expect(cuts).toBeGreaterThan(600);
    });
  }

  test("is the last one, also where the windows that are searched meet", () => {
    const filler = "x".repeat(1023);
    for (const [left, right] of [
      ["a", ". "],
      ["字", "。"],
      ["𠀀", "。"],
    ]) {
      for (let shift = -3; shift <= 3; shift++) {
        const start = `${left}${"x".repeat(5 + shift)}${left}`;
        expect(lastSafeCut(`${start}${right}${filler}`, "punctuation")).toBe(start.length);
      }
    }
    expect(lastSafeCut(`no place${"x".repeat(3000)}`, "punctuation")).toBe(0);
    expect(lastSafeCut(" a  b ", "space")).toBe(5);
    expect(lastSafeCut(" ab", "space")).toBe(0);
  });
});
