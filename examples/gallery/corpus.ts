/** The corpus whose frequencies the gallery shows: that of the demo. */
import { countTokens, type Frequencies, mergeCounts } from "lossmith";
import { loadAddresses, tokenize } from "../demo/corpus.ts";
import { tokenizerSize } from "../demo/tokenizer.ts";

export interface Corpus {
  /** r50k ids, one list for each address. */
  readonly addresses: readonly Int32Array[];
  readonly frequencies: Frequencies;
}

export function loadCorpus(): Corpus {
  const addresses = loadAddresses().map((address) => tokenize([address]));
  const counts = addresses.map((ids) => countTokens(ids, { vocabSize: tokenizerSize }));
  return { addresses, frequencies: mergeCounts(...counts) };
}
