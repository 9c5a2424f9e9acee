/**
 * Token frequencies: counting corpora of any size, merging, keeping, smoothing and looking at the counts.
 *
 * What reads and writes files is in `lossmith/frequency/files`; all of this runs in browsers, too.
 *
 * @module
 */
export { type AbsoluteDiscountingOptions, absoluteDiscounting } from "./absoluteDiscounting.ts";
export { addK } from "./addK.ts";
export { type CorpusCounts, type CorpusDetails, corpusCounts, corpusCountsMonoid } from "./corpusCounts.ts";
export { countContinuations } from "./countContinuations.ts";
export { countDocuments } from "./countDocuments.ts";
export { type CountIdsOptions, countIds, type IdSource } from "./countIds.ts";
export { type CountJsonLinesOptions, countJsonLines, type RecordOptions } from "./countJsonLines.ts";
export {
  type CountParquetIdsOptions,
  type CountParquetTextOptions,
  countParquet,
  type ParquetColumnOptions,
} from "./countParquet.ts";
export { type CountStatementOptions, countStatement } from "./countStatement.ts";
export { type CountsFromJsonOptions, countsFromJson, countsToJson } from "./countsJson.ts";
export { type CountsFromParquetOptions, countsFromParquet, countsToParquet } from "./countsParquet.ts";
export { countText } from "./countText.ts";
export { type CountTokenisedOptions, countTokenised, type IdWidth } from "./countTokenised.ts";
export { type CountTokensOptions, countTokens } from "./countTokens.ts";
export { type DecayedCounts, type DecayedCountsOptions, decayedCounts } from "./decayedCounts.ts";
export {
  type Band,
  type CountsDescription,
  describeCounts,
  type ZipfExponents,
} from "./describeCounts.ts";
export {
  type DescribeWeightsOptions,
  describeWeights,
  type WeightRange,
  type WeightsDescription,
} from "./describeWeights.ts";
export type { CountTextOptions } from "./documentCounter.ts";
export { type Drift, drift } from "./drift.ts";
export { effectiveSampleSize } from "./effectiveSampleSize.ts";
export { floor } from "./floor.ts";
export { type Frequencies, fromCounts } from "./frequencies.ts";
export { type GoodTuringOptions, goodTuring } from "./goodTuring.ts";
export type { ByteSource, Items, TextSource } from "./items.ts";
export { type JelinekMercerOptions, jelinekMercer } from "./jelinekMercer.ts";
export { type KneserNeyOptions, kneserNey } from "./kneserNey.ts";
export { mergeCounts } from "./mergeCounts.ts";
export type { ParquetSource } from "./parquetFile.ts";
export type { CutOptions } from "./textEncoding.ts";
export type { TokenIds } from "./tokenHistogram.ts";
export type { AnyTokenizer, SpecialText, TokenizerOptions } from "./tokenizer.ts";
export type { Vocabulary, VocabularyDetails } from "./vocabulary.ts";
export { vocabularyChecksum } from "./vocabularyChecksum.ts";
export type { Warning } from "./weightWarnings.ts";
