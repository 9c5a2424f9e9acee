/** What every file of counts says of itself and of the corpus, and what is checked when it is read. */
import { LossError } from "../loss/error.ts";
import type { CorpusCounts } from "./corpusCounts.ts";
import { checkFrequencies } from "./frequencies.ts";
import { checkVocabSize } from "./ids.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** The head of a file of counts. */
export interface CountsHeader {
  readonly format: "lossmith counts";
  readonly version: 1;
  readonly vocabulary: Vocabulary;
  readonly tokens: number;
  readonly documents: number | null;
  readonly ignored: number;
  readonly skipped: number;
  readonly forcedCuts: number;
}

const format = "lossmith counts";
const version = 1;

export function headerOf(counts: CorpusCounts, where: string): CountsHeader {
  checkFrequencies(counts, where);
  const { vocabulary, tokens, documents, ignored, skipped, forcedCuts } = counts;
  if (vocabulary === undefined) {
    throw new LossError(
      where,
      "the counts do not say what corpus they are of",
      "Use corpusCounts(counts, { tokenizer })",
    );
  }
  return { format, version, vocabulary, tokens, documents, ignored, skipped, forcedCuts };
}

/** The head in what was parsed; a LossError where it is of no file of counts. */
export function readHeader(json: unknown, where: string): CountsHeader {
  const header = json as CountsHeader | null;
  if (typeof header !== "object" || header?.format !== format) {
    throw new LossError(where, "it is not a file of counts", "Give one that lossmith saved");
  }
  if (header.version !== version) {
    throw new LossError(
      where,
      `the file is of version ${String(header.version)}, and this lossmith reads version ${version}`,
      "Update lossmith",
    );
  }
  const { vocabulary } = header;
  const isText = (x: unknown): boolean => x === null || typeof x === "string";
  const isWhole =
    typeof vocabulary === "object" &&
    vocabulary !== null &&
    Number.isSafeInteger(vocabulary.size) &&
    isText(vocabulary.tokenizer) &&
    isText(vocabulary.checksum) &&
    typeof vocabulary.special === "object" &&
    vocabulary.special !== null &&
    typeof header.tokens === "number";
  if (!isWhole) throw new LossError(where, "a part of the file's head is missing", "Save the counts anew");
  checkVocabSize(vocabulary.size, where);
  return header;
}

/**
 * The head, with a tokenizer's name where it has none. A LossError where it is of another size or tokenizer than was
 * given.
 */
export function agreeing(
  header: CountsHeader,
  { vocabSize, tokenizer }: { readonly vocabSize?: number; readonly tokenizer?: string | null },
  where: string,
): CountsHeader {
  const { vocabulary } = header;
  const refuse = (option: string, given: unknown, said: unknown): never => {
    throw new LossError(
      `${where}({ ${option} })`,
      `got ${String(given)}, and the file says ${String(said)}`,
      "Leave it out: the file says what it is of",
    );
  };
  if (vocabSize !== undefined && vocabSize !== vocabulary.size) refuse("vocabSize", vocabSize, vocabulary.size);
  const name = vocabulary.tokenizer ?? tokenizer ?? null;
  if ((tokenizer ?? name) !== name) refuse("tokenizer", tokenizer, name);
  return { ...header, vocabulary: { ...vocabulary, tokenizer: name } };
}

/** `counts` if they add up to the tokens that the head says. */
export function verified(counts: CorpusCounts, { tokens }: CountsHeader, where: string): CorpusCounts {
  const { counts: each } = counts;
  const wrong = each.findIndex((count) => !(count >= 0 && count < Number.POSITIVE_INFINITY));
  if (wrong < 0 && counts.tokens === tokens) return counts;
  const what = wrong < 0 ? `the counts add up to ${counts.tokens}` : `the count of id ${wrong} is ${each[wrong]}`;
  throw new LossError(where, `${what}, and the file says ${tokens} tokens`, "It is damaged: save the counts anew");
}
