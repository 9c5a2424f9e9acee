import process from "node:process";
import { pipe } from "fp-ts/lib/function.js";
import type { CorpusCounts } from "../frequency/corpusCounts.ts";
import { type CountsDescription, describeCounts, percent } from "../frequency/describeCounts.ts";
import { describeWeights, type WeightRange, type WeightsDescription } from "../frequency/describeWeights.ts";
import { loadTokenizer, tokenizerNames } from "../frequency/files/loadTokenizer.ts";
import { loadCounts } from "../frequency/files/savedCounts.ts";
import { checkWritable } from "../frequency/files/writeWhole.ts";
import { crossEntropy } from "../library/crossEntropy.ts";
import { freqWeights } from "../library/freqWeights.ts";
import { evaluateField, type Field } from "../loss/field.ts";
import { showNumber } from "../loss/show.ts";
import { lawsOf } from "./laws.ts";
import { checkPlotName, plot } from "./plot.ts";
import { print } from "./print.ts";
import { tableOptions } from "./tableOptions.ts";
import { grouped, table } from "./text.ts";

/** The options of `lossmith inspect`, as its --help says. */
export interface InspectOptions {
  readonly law: readonly string[];
  readonly top: number;
  readonly plot?: string;
  readonly tokenizer?: string;
  readonly vocabSize?: number;
  readonly json?: boolean;
}

export async function inspect(path: string, options: InspectOptions): Promise<void> {
  if (options.plot !== undefined) {
    checkPlotName(options.plot);
    await checkWritable(options.plot);
  }
  const laws = options.law.map((text) => ({ text, apply: lawsOf(text) }));
  const counts = await loadCounts(path, tableOptions(options));
  const described = describeCounts(counts, { top: options.top });
  const weighted = laws.map(({ text, apply }) => ({ text, loss: pipe(crossEntropy, freqWeights(counts), apply) }));
  const { special } = counts.vocabulary;
  const weights = weighted.map(({ text, loss }) => ({ law: text, ...describeWeights(loss, { special }) }));
  if (options.plot !== undefined) {
    const curves = weighted.map(({ text, loss }) => ({ law: text, weights: evaluateField(loss.focus as Field, 0) }));
    await plot(options.plot, counts, curves);
  }
  if (options.json === true) {
    const { vocabulary, documents, ignored, skipped, forcedCuts } = counts;
    const json = { counts: { ...described, vocabulary, documents, ignored, skipped, forcedCuts }, laws: weights };
    await print(`${JSON.stringify(json)}\n`);
    return;
  }
  const textOf = await tokenTexts(counts, options.tokenizer);
  const parts = [
    summary(path, counts, described),
    topTable(described, textOf),
    bandTable(described),
    ...weights.map(weightsText),
  ];
  await print(`${parts.filter((part) => part !== "").join("\n\n")}\n`);
  for (const { what, remedy } of [described, ...weights].flatMap(({ warnings }) => warnings)) {
    process.stderr.write(`lossmith: warning: ${what}. ${remedy}.\n`);
  }
}

/** The text of a token, where its tokenizer is named and its package is there; asked for by name it has to be. */
async function tokenTexts(counts: CorpusCounts, asked: string | undefined): Promise<(id: number) => string> {
  const name = asked ?? counts.vocabulary.tokenizer;
  if (name === null || (asked === undefined && !tokenizerNames.includes(name))) return () => "";
  try {
    const { tokenizer } = await loadTokenizer(name);
    return (id) => JSON.stringify(tokenizer.decode?.([id]) ?? "");
  } catch (error) {
    if (asked !== undefined) throw error;
    return () => "";
  }
}

function summary(path: string, counts: CorpusCounts, described: CountsDescription): string {
  const { vocabulary, documents, ignored, skipped } = counts;
  const { entries, tokens, seen, seenOnce, entropy, zipf, special } = described;
  const share = (part: number): string => `${grouped(part)} (${percent(part / entries)})`;
  const exponent = (value: number): string => (Number.isNaN(value) ? "–" : value.toFixed(3));
  const rows: readonly (readonly [string, string])[] = [
    ["tokenizer", vocabulary.tokenizer ?? "not named"],
    ["vocabulary", `${grouped(entries)} entries`],
    ["tokens", grouped(tokens)],
    ...(documents === null ? [] : [["documents", grouped(documents)] as const]),
    ...(ignored === 0 ? [] : [["ignored labels", grouped(ignored)] as const]),
    ...(skipped === 0 ? [] : [["bad items left out", grouped(skipped)] as const]),
    ["seen", share(seen)],
    ["seen once", share(seenOnce)],
    ["never seen", share(entries - seen)],
    ["unigram entropy", `${entropy.toFixed(3)} nats`],
    ["Zipf exponent", `${exponent(zipf.head)} to rank 1000, ${exponent(zipf.tail)} beyond`],
    ...special.map(({ name, id, count }) => [name, `id ${id}, ${grouped(count)} tokens`] as const),
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  return [path, ...rows.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`)].join("\n");
}

function topTable({ top }: CountsDescription, textOf: (id: number) => string): string {
  if (top.length === 0) return "";
  return table(
    ["rank", "id", "count", "share", "token"],
    top.map(({ id, count, share, special }, i) => [
      String(i + 1),
      String(id),
      grouped(count),
      percent(share),
      special ?? textOf(id),
    ]),
  );
}

function bandTable({ bands }: CountsDescription): string {
  return table(
    ["ranks", "share of tokens"],
    bands.map(({ first, last, share }) => [ranks(first, last), percent(share)]),
  );
}

function ranks(first: number, last: number): string {
  return `${grouped(first)}–${grouped(last)}`;
}

function range({ lowest, highest }: WeightRange): string {
  return lowest === highest ? showNumber(lowest) : `${showNumber(lowest)} to ${showNumber(highest)}`;
}

function weightsText(described: WeightsDescription): string {
  const { name, weights, ofUnseen, unseen, effectiveSampleSize, bands, special } = described;
  return [
    name,
    `  weights                ${range(weights)}`,
    ...(ofUnseen === null ? [] : [`  never seen             ${range(ofUnseen)}, ${grouped(unseen)} entries`]),
    ...(effectiveSampleSize === null ? [] : [`  effective sample size  ${percent(effectiveSampleSize)} of the tokens`]),
    ...special.map(
      ({ name: token, weight, timesMean }) =>
        `  ${token}  weight ${showNumber(weight)}, ${showNumber(timesMean)} times the mean token's`,
    ),
    table(
      ["ranks", "share of tokens", "share of mass", "weights"],
      bands.map(({ first, last, share, mass, weights: ofBand }) => [
        ranks(first, last),
        percent(share),
        percent(mass),
        range(ofBand),
      ]),
    ),
  ].join("\n");
}
