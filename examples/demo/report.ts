/** The report of an experiment, in Markdown. */
import { show } from "lossmith";
import { plainLoss, powerLawDecayLoss } from "../model/losses.ts";
import { rampedAlpha } from "../model/ramp.ts";
import { type Environment, placeOf } from "../report/environment.ts";
import { grouped, renderMarkdown } from "../report/tables.ts";
import { list } from "../report/words.ts";
import type { Results } from "./experiment.ts";
import { findings } from "./findings.ts";
import { resultTable, samplesOf } from "./resultTables.ts";

/** The report; `picture` is the file name of the picture beside it. */
export function renderReport(results: Results, environment: Environment, picture: string): string {
  const { settings, vocabulary } = results;
  const samples = samplesOf(results, 2).flatMap(({ prompt, crossEntropy, powerLawDecay }, i) => [
    `### ${i + 1}`,
    `> … ${prompt} …`,
    `**Cross entropy:** ${crossEntropy}`,
    `**PDL:** ${powerLawDecay}`,
  ]);
  return `${[
    "# Cross entropy and Power-Law Decay Loss on State of the Union addresses",
    "## What was seen",
    list(findings(results)),
    "## Numbers",
    renderMarkdown(resultTable(results)),
    list(notes(results)),
    `![Training loss and held-out loss by frequency band](${picture})`,
    "## Sampled continuations",
    ...samples,
    "## The losses",
    [
      "```",
      show(plainLoss),
      "",
      show(powerLawDecayLoss(vocabulary, rampedAlpha(settings.alpha, settings.fineTuning.steps))),
      "```",
    ].join("\n"),
    "## Settings",
    list(settingsOf(results)),
    "## Where it ran",
    list(placeOf(environment)),
  ].join("\n\n")}\n`;
}

/** What the words of the table mean. */
export function notes({ settings }: Results): string[] {
  const { prompts, newTokens } = settings.sampling;
  return [
    "NLL: negative log likelihood, nats per token, lower is better. Ranks are by frequency in the training text.",
    "unigram: the frequencies of the fine-tuning text; before: the pretrained model, before fine-tuning.",
    "rare-token accuracy: how often a token of rank above 1 000 is the model's first guess.",
    `distinct-2: different bigrams / bigrams, over ${prompts} continuations of up to ${newTokens} tokens.`,
    "seq-rep-2: 1 − different bigrams / bigrams within a continuation, averaged.",
    "effective sample size: (Σ w)² / (n Σ w²) over the fine-tuning tokens, at the final alpha.",
  ];
}

function settingsOf({ settings, vocabulary, years, tokens, heldOut }: Results): string[] {
  const { sizes, pretraining, fineTuning, sampling } = settings;
  const part = (all: readonly number[], count: number): string =>
    `${all.length} addresses, ${all[0]}–${all.at(-1)}, ${grouped(count)} tokens`;
  const batch = settings.windowsPerBatch * sizes.window;
  return [
    `seed: ${settings.seed}`,
    `alpha: ${settings.alpha}`,
    `pretraining text: ${part(years.pretraining, tokens.pretraining)}`,
    `fine-tuning text: ${part(years.fineTuning, tokens.fineTuning)}`,
    `held-out text: ${part(years.heldOut, tokens.heldOut)}`,
    `held-out years: ${years.heldOut.join(", ")}`,
    `measured: ${grouped(heldOut.overall)} tokens, and ${grouped(heldOut.unknown)} outside the vocabulary left out, in windows that do not overlap`,
    `vocabulary: the ${grouped(vocabulary.size)} most frequent r50k tokens of the training text`,
    `model: width ${sizes.width}, ${sizes.blocks} block(s), ${sizes.heads} head(s), window ${sizes.window} tokens`,
    `batch: ${settings.windowsPerBatch} windows, ${batch} tokens`,
    `pretraining: ${grouped(pretraining.steps)} steps, learning rate up to ${pretraining.learningRate}`,
    `each fine-tuning: ${grouped(fineTuning.steps)} steps, learning rate up to ${fineTuning.learningRate}`,
    `losses over: ${settings.linear ? "hidden states and the output layer" : "logits"}`,
    `sampling: temperature ${sampling.temperature}, from the ${sampling.topTokens} likeliest tokens`,
  ];
}
