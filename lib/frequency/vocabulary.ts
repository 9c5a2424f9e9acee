/**
 * What token ids are ids of. Counts of one vocabulary add up; those of two do not, however alike their sizes are.
 *
 * Where they can be, vocabularies are joined: a checksum that one side lacks gives way to the other's, and the named
 * special tokens are united. Joining is associative, commutative and idempotent, also in what it refuses.
 */
import { LossError } from "../loss/error.ts";
import { checkVocabSize } from "./ids.ts";

/** A vocabulary, as far as it is known. */
export interface Vocabulary {
  /** The number of entries, special and added tokens included: the logits' last dimension. */
  readonly size: number;
  /** The tokenizer's name, such as "r50k_base"; null where nobody said. */
  readonly tokenizer: string | null;
  /** SHA-256 over the text of each entry (see `vocabularyChecksum`), in hex; null where the texts are not known. */
  readonly checksum: string | null;
  /** The ids of the special tokens by name, in ascending order of the ids. */
  readonly special: Readonly<Record<string, number>>;
}

/** What may be said of a vocabulary beside its size. */
export type VocabularyDetails = Partial<Omit<Vocabulary, "size">>;

/** A vocabulary of `size` entries; a LossError where a part of it cannot be. */
export function vocabularyOf(size: number, details: VocabularyDetails, where: string): Vocabulary {
  checkVocabSize(size, `${where}({ vocabSize })`);
  const { tokenizer = null, checksum = null, special = {} } = details;
  for (const [name, id] of Object.entries(special)) {
    if (Number.isInteger(id) && id >= 0 && id < size) continue;
    throw new LossError(
      `${where}({ special })`,
      `"${name}" has the id ${String(id)}, outside a vocabulary of ${size} entries`,
      `Give integers from 0 to ${size - 1}, or a larger vocabSize`,
    );
  }
  return { size, tokenizer, checksum, special: ordered(special) };
}

function ordered(special: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(special).sort(([a, i], [b, j]) => i - j || (a < b ? -1 : 1)));
}

/** The name of a special token, or null where the id is none. */
export function specialName({ special }: Vocabulary, id: number): string | null {
  return Object.keys(special).find((name) => special[name] === id) ?? null;
}

/** Both as one vocabulary; a LossError that says what differs. `names` is what people call the two. */
export function joinVocabularies(
  left: Vocabulary,
  right: Vocabulary,
  names: { readonly left: string; readonly right: string },
  where: string,
): Vocabulary {
  const refuse = (what: string, ofLeft: string, ofRight: string, remedy: string): never => {
    throw new LossError(where, `${names.left} has ${what} ${ofLeft}, ${names.right} ${ofRight}`, remedy);
  };
  const countAlike = "Count every shard with the same tokenizer and vocabSize";
  if (left.size !== right.size) refuse("a vocabulary of", `${left.size} entries`, `one of ${right.size}`, countAlike);
  if (left.tokenizer !== right.tokenizer) {
    const unnamed = left.tokenizer === null || right.tokenizer === null;
    refuse(
      "the tokenizer",
      nameOf(left),
      nameOf(right),
      unnamed ? "Say which tokenizer the ids are of, if it is the same" : countAlike,
    );
  }
  if (left.checksum !== null && right.checksum !== null && left.checksum !== right.checksum) {
    refuse("a vocabulary with the checksum", left.checksum, right.checksum, countAlike);
  }
  for (const [name, id] of Object.entries(left.special)) {
    const other = right.special[name];
    if (other !== undefined && other !== id) refuse(`"${name}" at id`, String(id), `at ${other}`, countAlike);
  }
  return {
    size: left.size,
    tokenizer: left.tokenizer,
    checksum: left.checksum ?? right.checksum,
    special: ordered({ ...left.special, ...right.special }),
  };
}

function nameOf({ tokenizer }: Vocabulary): string {
  return tokenizer ?? "(not named)";
}
