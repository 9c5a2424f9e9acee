/** The results of an experiment as a table, and its samples. */
import { bands } from "../model/bands.ts";
import type { Measurement } from "../model/measurement.ts";
import { textOf } from "../model/tokenizer.ts";
import { decimals, grouped, percent, type Table } from "../report/tables.ts";
import type { ContenderResult, ModelResult, Results } from "./experiment.ts";

/** The main table: a row for each number, a column for each model. */
export function resultTable({ unigram, before, contenders, measured, hasReferences }: Results): Table {
  const models: readonly ModelResult[] = [before, ...contenders];
  const row = (name: string, tokens: number, read: (measurement: Measurement) => string): string[] => [
    `${name} (${grouped(tokens)} tokens)`,
    read(unigram),
    ...models.map(({ measurement }) => read(measurement)),
  ];
  const ofAnswers = (name: string, read: (model: ModelResult) => string): string[] => [name, "–", ...models.map(read)];
  const ofWeights = (name: string, read: (model: ContenderResult) => string): string[] => [
    name,
    "–",
    "–",
    ...contenders.map(read),
  ];
  return {
    header: ["Held-out responses", "unigram", ...models.map(({ name }) => name)],
    rows: [
      row("NLL in nats, overall", measured.overall, ({ overall }) => decimals(overall, 3)),
      row("perplexity", measured.overall, ({ overall }) => decimals(Math.exp(overall), 1)),
      ...bands.flatMap(({ name }, band) =>
        measured.byBand[band] === 0
          ? []
          : [row(`  NLL, rank ${name}`, measured.byBand[band], ({ byBand }) => decimals(byBand[band], 3))],
      ),
      row("token accuracy", measured.overall, ({ accuracy }) => percent(accuracy, 2)),
      row("rare-token accuracy", measured.byBand[2] + measured.byBand[3], ({ rareAccuracy }) =>
        percent(rareAccuracy, 2),
      ),
      ...(hasReferences ? [ofAnswers("ROUGE-L of answers", ({ answers }) => decimals(answers.rougeL, 3))] : []),
      ofAnswers("tokens of an answer", ({ answers }) => decimals(answers.length, 1)),
      ofAnswers("distinct-2 of answers", ({ answers }) => decimals(answers.distinct2, 3)),
      ofAnswers("seq-rep-2 of answers", ({ answers }) => decimals(answers.repetition2, 3)),
      ofWeights("effective sample size", ({ effectiveSampleSize }) => percent(effectiveSampleSize, 1)),
    ],
  };
}

/** What the words of the table mean. */
export function notes({ settings, prompts, hasReferences }: Results): string[] {
  const { newTokens } = settings.preset;
  return [
    "NLL: negative log likelihood of the responses, nats per token, by plain cross entropy whatever the model was trained with; lower is better. Ranks are by frequency in the training text.",
    "unigram: the frequencies of the training responses; before: the pretrained model, before fine-tuning.",
    "token accuracy: how often a token of the response is the model's first guess; rare tokens have a rank above 1 000.",
    `answers: to ${prompts.length} held-out prompts, up to ${newTokens} tokens each. ${hasReferences ? "ROUGE-L: F1 of the longest common subsequence of words with the reference; " : ""}distinct-2: different bigrams / bigrams; seq-rep-2: 1 − different bigrams / bigrams within an answer, averaged.`,
    "effective sample size: (Σ w)² / (n Σ w²) over the tokens of the training responses, for PDL's weights.",
  ];
}

/** A prompt, what belongs to it, and what each model answers. */
export interface Sample {
  readonly prompt: string;
  readonly reference: string;
  readonly answers: readonly { readonly name: string; readonly text: string }[];
}

/** The first prompts with their answers. */
export function samplesOf({ prompts, contenders }: Results, count: number): Sample[] {
  return prompts.slice(0, count).map(({ tokens, reference }, i) => ({
    prompt: textOf(tokens),
    reference,
    answers: contenders.map(({ name, answers }) => ({
      name,
      text: answers.texts[i] === "" ? "(nothing)" : answers.texts[i],
    })),
  }));
}
