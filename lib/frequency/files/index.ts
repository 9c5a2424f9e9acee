/**
 * Counting the tokens of files, and keeping counts in files: for Bun, Deno and Node.
 *
 * @module
 */
export { type CountFilesOptions, type CountProgress, countFiles } from "./countFiles.ts";
export type { Compression, CorpusFormat } from "./format.ts";
export { type LoadedTokenizer, loadTokenizer } from "./loadTokenizer.ts";
export { loadCounts, saveCounts } from "./savedCounts.ts";
