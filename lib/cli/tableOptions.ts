import type { CountsFromParquetOptions } from "../frequency/countsParquet.ts";

/** What is said of tables of other engines, which do not say it themselves. */
export function tableOptions({
  vocabSize,
  name,
}: {
  readonly vocabSize?: number;
  readonly name?: string;
}): CountsFromParquetOptions {
  return {
    ...(vocabSize === undefined ? {} : { vocabSize }),
    ...(name === undefined ? {} : { tokenizer: name }),
  };
}
