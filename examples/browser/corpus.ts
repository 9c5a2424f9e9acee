/** The texts in the terms of the page's vocabulary. */
import { countTokens, type Frequencies } from "lossmith";
import { type TextStream, textStream } from "../model/batches.ts";
import { endOfText } from "../model/tokenIds.ts";
import { buildVocabulary, type Vocabulary } from "../model/vocabulary.ts";

/** What models are trained on. */
export interface Corpus {
  /** The most frequent tokens of both texts; its frequencies are those of the text to fine-tune on. */
  readonly vocabulary: Vocabulary;
  readonly pretraining: TextStream;
  /** How often each class is in the text to pretrain on. */
  readonly pretrainingFrequencies: Frequencies;
  readonly fineTuning: TextStream;
  /** The text to fine-tune on as ids of the tokenizer. */
  readonly tokens: Int32Array;
  /** What ids of the vocabulary stand for. */
  textOf(ids: ArrayLike<number>): string;
}

/** Loads the texts, which are in a file of their own, and cuts the vocabulary to its size. */
export async function loadCorpus(size: number): Promise<Corpus> {
  const { default: texts } = await import("virtual:texts");
  const [before, tokens] = [texts.pretraining, texts.fineTuning].map(idsOf);
  const vocabulary = buildVocabulary([before, tokens], size);
  const [pretraining, fineTuning] = [before, tokens].map((stream) => textStream(vocabulary, stream));
  const counted = ({ labels }: TextStream): Frequencies =>
    countTokens(
      labels.filter((label) => label >= 0),
      { vocabSize: vocabulary.size },
    );
  const textOfId = new Map(texts.tokens);
  return {
    vocabulary: { ...vocabulary, frequencies: counted(fineTuning) },
    pretraining,
    pretrainingFrequencies: counted(pretraining),
    fineTuning,
    tokens,
    textOf: (ids) => Array.from(ids, (id) => (id === endOfText ? " ¶ " : (textOfId.get(id) ?? "�"))).join(""),
  };
}

function idsOf(base64: string): Int32Array {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return Int32Array.from({ length: bytes.length / 2 }, (_, i) => bytes[2 * i] + 256 * bytes[2 * i + 1]);
}
