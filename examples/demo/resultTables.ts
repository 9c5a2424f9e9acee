/** The results of an experiment as tables. */
import { bands } from "../model/bands.ts";
import type { Measurement } from "../model/measurement.ts";
import { textOf } from "../model/tokenizer.ts";
import { decimals, grouped, percent, type Table } from "../report/tables.ts";
import type { ModelResult, Results } from "./experiment.ts";

/** The main table: a row for each number, a column for each model. */
export function resultTable(results: Results): Table {
  const { unigram, before, crossEntropy, powerLawDecay, heldOut } = results;
  const models = [before, crossEntropy, powerLawDecay];
  const measured = (name: string, tokens: number, read: (measurement: Measurement) => string): string[] => [
    `${name} (${grouped(tokens)} tokens)`,
    read(unigram),
    ...models.map(({ measurement }) => read(measurement)),
  ];
  const sampled = (name: string, read: (model: ModelResult) => string): string[] => [name, "–", ...models.map(read)];
  const rareTokens = heldOut.byBand.slice(2).reduce((sum, count) => sum + count, 0);
  return {
    header: ["Held-out text", "unigram", "before", "cross entropy", "PDL"],
    rows: [
      measured("NLL in nats, overall", heldOut.overall, ({ overall }) => decimals(overall, 3)),
      ...bands.map(({ name }, band) =>
        measured(`  rank ${name}`, heldOut.byBand[band], ({ byBand }) => decimals(byBand[band], 3)),
      ),
      measured("rare-token accuracy", rareTokens, ({ rareAccuracy }) => percent(rareAccuracy, 2)),
      sampled("distinct-2 of samples", ({ distinct2 }) => decimals(distinct2, 3)),
      sampled("seq-rep-2 of samples", ({ repetition2 }) => decimals(repetition2, 3)),
      ["effective sample size", "–", "–", percent(1, 1), percent(results.effectiveSampleSize, 1)],
    ],
  };
}

/** A prompt and how the two fine-tuned models go on. */
export interface Sample {
  readonly prompt: string;
  readonly crossEntropy: string;
  readonly powerLawDecay: string;
}

/** The first prompts with their continuations, as text. */
export function samplesOf({ prompts, crossEntropy, powerLawDecay }: Results, count: number): Sample[] {
  return prompts.slice(0, count).map((prompt, i) => ({
    prompt: textOf(prompt),
    crossEntropy: textOf(crossEntropy.continuations[i]),
    powerLawDecay: textOf(powerLawDecay.continuations[i]),
  }));
}
