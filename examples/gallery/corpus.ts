/** The corpus whose frequencies the gallery shows: that of the demo. */
import { countTokens, type Frequencies, mergeCounts } from "lossmith";
import { loadAddresses } from "../corpora/addresses.ts";
import { documentStream, tokenizerSize } from "../model/tokenizer.ts";

export interface Corpus {
  /** r50k ids, one list for each address. */
  readonly addresses: readonly Int32Array[];
  readonly frequencies: Frequencies;
}

export function loadCorpus(): Corpus {
  const addresses = loadAddresses().map((address) => documentStream([address.text]));
  const counts = addresses.map((ids) => countTokens(ids, { vocabSize: tokenizerSize }));
  return { addresses, frequencies: mergeCounts(...counts) };
}
