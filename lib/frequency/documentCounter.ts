import { type CorpusCounts, corpusCounts } from "./corpusCounts.ts";
import { checkId } from "./ids.ts";
import { type CutOptions, type TextEncoding, textEncoding } from "./textEncoding.ts";
import { type TokenIds, tokenHistogram } from "./tokenHistogram.ts";
import { type Tokenizer, type TokenizerOptions, tokenizerOf } from "./tokenizer.ts";

/** Options of what counts the tokens of text. */
export interface CountTextOptions extends TokenizerOptions, CutOptions {
  /** An id that is counted once after each document, as training on packed text has it: 50256 for r50k. */
  readonly endOfText?: number;
}

/** Counts documents of text, a piece of a document at a time. */
export interface DocumentCounter extends Pick<TextEncoding, "push"> {
  readonly tokenizer: Tokenizer;
  /** How many tokens were counted so far. */
  readonly tokens: number;
  /** Counts tokens as they are, of no document. */
  add(ids: TokenIds): void;
  /** The text so far is complete, and no token reaches into what follows. */
  endText(): void;
  endDocument(): void;
  /** What was counted, with so many items left out. */
  read(skipped?: number): CorpusCounts;
}

export async function documentCounter(options: CountTextOptions, where: string): Promise<DocumentCounter> {
  const tokenizer = await tokenizerOf(options, where);
  const { vocabulary } = tokenizer;
  const { endOfText } = options;
  if (endOfText !== undefined) checkId(endOfText, 0, vocabulary.size, `${where}({ endOfText })`);
  // A tokenizer gives no labels, so that nothing is to be ignored.
  const histogram = tokenHistogram({ vocabSize: vocabulary.size, ignoreIndex: Number.NaN, where: `${where}(tokens)` });
  const encoding = textEncoding(tokenizer, histogram.add, options, where);
  let documents = 0;
  return {
    tokenizer,
    get tokens() {
      return histogram.added;
    },
    add: histogram.add,
    push: encoding.push,
    endText: encoding.end,
    endDocument: () => {
      encoding.end();
      documents++;
      if (endOfText !== undefined) histogram.add([endOfText]);
    },
    read: (skipped = 0) => {
      const { counts } = histogram.read();
      const { size, ...details } = vocabulary;
      const { forcedCuts } = encoding;
      return corpusCounts({ kind: "frequencies", counts }, { ...details, documents, skipped, forcedCuts });
    },
  };
}
