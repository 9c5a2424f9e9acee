import { LossError } from "../loss/error.ts";

/** Throws where `vocabSize` is no number of entries. */
export function checkVocabSize(vocabSize: number, where: string): void {
  if (Number.isSafeInteger(vocabSize) && vocabSize >= 1 && vocabSize < 2 ** 31) return;
  throw new LossError(where, `got ${String(vocabSize)}`, "Give the number of entries of the vocabulary");
}

/** Throws where the id at `position` of what was given is none of a vocabulary. */
export function checkId(id: number, position: number, vocabSize: number, where: string): void {
  if (id >= 0 && id < vocabSize && Number.isInteger(id)) return;
  throw outsideVocabulary(id, position, vocabSize, where);
}

/** What is thrown for an id that is none of a vocabulary. */
export function outsideVocabulary(id: unknown, position: number, vocabSize: number, where: string): LossError {
  return new LossError(
    where,
    `the id at position ${position} is ${String(id)}, outside a vocabulary of ${vocabSize} entries`,
    `Give integers from 0 to ${vocabSize - 1}, or a larger vocabSize`,
  );
}
