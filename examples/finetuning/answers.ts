/** What models answer to held-out prompts, and how near it is to the references. */
import { l as rougeL } from "js-rouge";
import { distinct, repetition } from "../model/textMetrics.ts";
import { textOf } from "../model/tokenizer.ts";

/** The answers of one model. */
export interface Answers {
  readonly texts: readonly string[];
  /** How long answers are, in tokens; the mean. */
  readonly length: number;
  /** Distinct-2 over all answers. */
  readonly distinct2: number;
  /** Seq-rep-2 of the answers. */
  readonly repetition2: number;
  /** ROUGE-L against the references, F1, the mean over the answers; 0 to 1. */
  readonly rougeL: number;
}

/** Answers as r50k ids, against their references. */
export function judgeAnswers(answers: readonly Int32Array[], references: readonly string[]): Answers {
  const texts = answers.map(textOf);
  const scores = texts.map((text, i) => overlap(text, references[i]));
  return {
    texts,
    length: answers.reduce((sum, { length }) => sum + length, 0) / answers.length,
    distinct2: distinct(answers, 2),
    repetition2: repetition(answers, 2),
    rougeL: scores.reduce((sum, score) => sum + score, 0) / scores.length,
  };
}

/** ROUGE-L: the F1 of the longest common subsequence of words, 0 to 1. Source: Lin, "ROUGE", 2004. */
export function overlap(answer: string, reference: string): number {
  const [a, b] = [answer, reference].map(wordsOf);
  if (a.length === 0 || b.length === 0) return 0;
  return rougeL(a.join(" "), b.join(" "), {
    tokenizer: (text) => text.split(" "),
    segmenter: (text) => [text],
  });
}

/** Letters and digits, in lower case, as the reference implementation of ROUGE splits them. */
function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
