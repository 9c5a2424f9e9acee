import { Command, InvalidArgumentError, Option } from "commander";
import { compressions, corpusFormats } from "../frequency/files/format.ts";
import { tokenizerNames } from "../frequency/files/loadTokenizer.ts";
import { type CountOptions, count } from "./count.ts";
import { type ExplainFileOptions, explainFile } from "./explain.ts";
import { type InspectOptions, inspect } from "./inspect.ts";
import { type MergeOptions, merge } from "./merge.ts";

/** The program with its commands; `signal` stops what they do. */
export function programOf(signal: AbortSignal): Command {
  const program = new Command("lossmith")
    .description("Counts the tokens of corpora, merges counts, shows what weights they make, and explains losses.")
    .showHelpAfterError("Add --help for what there is.")
    .exitOverride();
  add(countCommand(), (inputs, options) => count(inputs, options as CountOptions, signal));
  add(mergeCommand(), (files, options) => merge(files, options as unknown as MergeOptions));
  add(inspectCommand(), ([file], options) => inspect(file, options as unknown as InspectOptions));
  add(explainCommand(), ([file], options) => explainFile(file, options as unknown as ExplainFileOptions));
  return program;

  function add(command: Command, action: (args: readonly string[], options: object) => Promise<void>): void {
    command.showHelpAfterError("Add --help for what there is.").exitOverride();
    // Commander gives the arguments as one, the options next.
    command.action((args: string | readonly string[], options: object) => action([args].flat(), options));
    program.addCommand(command);
  }
}

const outHelp = "where the counts go, .parquet or .json; JSON on standard output without it";

function countCommand(): Command {
  return new Command("count")
    .description("Counts the tokens of files: text, JSON lines, Parquet, or token ids; compressed or not.")
    .argument("<input...>", "files, each taken once; patterns such as 'data/**/*.jsonl.gz'; - for standard input")
    .option("-t, --tokenizer <name>", `${tokenizerNames.join(", ")}, or the path of a tokenizer.json`)
    .option("-o, --out <file>", outHelp)
    .addOption(
      new Option("--format <format>", "what the files are, where their names do not tell").choices(corpusFormats),
    )
    .addOption(new Option("--compression <name>", "how they are compressed, likewise").choices(compressions))
    .option(
      "--field <path>",
      'the text in a line of JSON: text (the default), meta.title, "messages[role=assistant].content"',
    )
    .option("--prompt <path>", "a text, or column, that is read before the text but not counted")
    .option(
      "--column <name>",
      "the column of Parquet files: text, ids, or lists of ids (default: that of --field, or text)",
    )
    .option("--skip-bad", "leave bad lines and rows out, and say how many")
    .option("--end-of-text [id]", "count an end of text after each document; without an id the tokenizer's own", whole)
    .option("--ignore-index <id>", "a label among ids that is not counted (default: -100)", integer)
    .addOption(
      new Option("--special <how>", "what text is that spells a special token out (default: refuse)").choices([
        "refuse",
        "text",
        "token",
      ]),
    )
    .option(
      "--vocab-size <n>",
      "the entries of the vocabulary, where the tokenizer does not tell, or has fewer",
      positive,
    )
    .option("--name <name>", "what the tokenizer is called in the counts (default: as it was named)")
    .option("--longest-hold-back <n>", "text without a place to cut is cut into pieces of so many characters", positive)
    .option("-w, --workers <n>", "how many count at once (default: 1)", positive)
    .option("--json", "a summary as JSON on standard output; needs --out")
    .option("-q, --quiet", "no progress and no summary")
    .addHelpText(
      "after",
      `
Examples:
  lossmith count corpus.txt --tokenizer r50k_base --out counts.parquet
  lossmith count 'data/**/*.jsonl.gz' -t o200k_base --field text --end-of-text --workers 4 -o counts.parquet
  lossmith count train.uint16 --vocab-size 50257 --name r50k_base -o counts.json
  zstd -dc dump.zst | lossmith count - --format text -t cl100k_base > counts.json

Exit status: 0 done, 1 not possible (the reason is on standard error), 2 a wrong command line, 130 interrupted.
Nothing is written unless all of it was counted.`,
    );
}

function mergeCommand(): Command {
  return new Command("merge")
    .description("Adds counts of one vocabulary. Counts of different vocabularies are refused.")
    .argument("<file...>", "counts that lossmith saved, or Parquet tables (token, count) of any engine; patterns, too")
    .option("-o, --out <file>", outHelp)
    .option("--vocab-size <n>", "the entries of the vocabulary, for tables of other engines", positive)
    .option("--name <name>", "the tokenizer's name, for tables of other engines")
    .option("--json", "a summary as JSON on standard output; needs --out")
    .option("-q, --quiet", "no summary")
    .addHelpText(
      "after",
      `
Examples:
  lossmith merge shard-*.parquet --out counts.parquet
  lossmith merge spark/part-*.parquet --vocab-size 50257 --name r50k_base -o counts.json`,
    );
}

function inspectCommand(): Command {
  return new Command("inspect")
    .description("Describes counts, and the weights that laws make of them.")
    .argument("<file>", "counts that lossmith saved, or a Parquet table (token, count)")
    .option(
      "-l, --law <law>",
      "a law such as 'powerLaw(0.5)', or several: 'powerLaw(1) | clip(0.1, 10)'; repeatable",
      all,
      [],
    )
    .option("--top <n>", "how many of the most frequent tokens are shown", whole, 10)
    .option("--plot <file>", "a picture of the counts by rank and of each law's weights: .svg or .html")
    .option("-t, --tokenizer <name>", "shows tokens as text (default: by the name that the counts have)")
    .option("--vocab-size <n>", "the entries of the vocabulary, for a table of another engine", positive)
    .option("--json", "the description as JSON")
    .addHelpText(
      "after",
      `
Examples:
  lossmith inspect counts.parquet
  lossmith inspect counts.parquet --law 'powerLaw(0.5)' --law 'inverseFrequency() | clip(0.001, 1)' --plot weights.svg
  lossmith inspect counts.json --json | jq .counts.zipf`,
    );
}

function explainCommand(): Command {
  return new Command("explain")
    .description("Says in words what a loss is and how it is computed.")
    .argument("<file>", "a loss as JSON, as lossToJSON writes it; - for standard input")
    .option("--step <n>", "the step at which schedules are evaluated", whole, 0)
    .option("--json", "the loss and its explanation as JSON")
    .addHelpText(
      "after",
      `
Examples:
  lossmith explain loss.json
  lossmith explain loss.json --step 1000
  jq .userDefinedMetadata.lossmith.loss model.json | lossmith explain -`,
    );
}

function integer(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("Give a whole number.");
}

function whole(text: string): number {
  const value = integer(text);
  if (value >= 0) return value;
  throw new InvalidArgumentError("Give a whole number of at least 0.");
}

function positive(text: string): number {
  const value = integer(text);
  if (value >= 1) return value;
  throw new InvalidArgumentError("Give a whole number of at least 1.");
}

function all(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}
