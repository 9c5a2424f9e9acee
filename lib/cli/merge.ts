import type { CorpusCounts } from "../frequency/corpusCounts.ts";
import { loadCounts } from "../frequency/files/savedCounts.ts";
import { mergeCounts } from "../frequency/mergeCounts.ts";
import { joinVocabularies } from "../frequency/vocabulary.ts";
import { expanded } from "./inputs.ts";
import { checkResult, give, type ResultOptions } from "./result.ts";
import { tableOptions } from "./tableOptions.ts";

/** The options of `lossmith merge`, as its --help says. */
export interface MergeOptions extends ResultOptions {
  readonly vocabSize?: number;
  readonly name?: string;
}

export async function merge(inputs: readonly string[], options: MergeOptions): Promise<void> {
  await checkResult(options);
  const paths = await expanded(inputs);
  let sum: CorpusCounts | null = null;
  for (const path of paths) {
    const counts = await loadCounts(path, tableOptions(options));
    if (sum !== null) {
      // Says which file is of another vocabulary, where the merge would know its number alone.
      joinVocabularies(sum.vocabulary, counts.vocabulary, { left: paths[0], right: path }, "merge");
    }
    sum = sum === null ? counts : mergeCounts(sum, counts);
  }
  await give(sum as CorpusCounts, options);
}
