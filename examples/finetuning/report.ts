/** The report of an experiment, in Markdown. */
import { show } from "lossmith";
import { type Environment, placeOf } from "../report/environment.ts";
import { decimals, grouped, percent, renderMarkdown } from "../report/tables.ts";
import { list } from "../report/words.ts";
import type { PairCounts, Results } from "./experiment.ts";
import { findings } from "./findings.ts";
import { notes, resultTable, samplesOf } from "./resultTables.ts";

/** The file names of the pictures beside the report. */
export const pictures = { curves: "curves.svg", bands: "bands.svg" } as const;

/** How many samples a report shows. */
const samplesShown = 5;

export function renderReport(title: string, results: Results, environment: Environment): string {
  const samples = samplesOf(results, samplesShown).flatMap(({ prompt, reference, answers }, i) => [
    `### ${i + 1}`,
    `> ${verbatim(prompt)}`,
    renderMarkdown({
      header: ["", "response"],
      rows: [["reference", verbatim(reference)], ...answers.map(({ name, text }) => [name, verbatim(text)])],
    }).replace("| ---: |", "| --- |"),
  ]);
  return `${[
    `# ${title}`,
    "## What was seen",
    list(findings(results)),
    "## Numbers",
    renderMarkdown(resultTable(results)),
    list(notes(results)),
    `![Held-out loss by frequency band](${pictures.bands})`,
    `![Losses while training](${pictures.curves})`,
    "## Sampled answers",
    ...samples,
    "## The losses",
    ...results.contenders.map(({ name, loss }) => `${name}:\n\n${fenced(show(loss))}`),
    "## Data",
    list([...results.source, ...dataOf(results)]),
    "## Settings",
    list(settingsOf(results)),
    "## Where it ran",
    list(placeOf(environment)),
  ].join("\n\n")}\n`;
}

function dataOf({ training, heldOut, isPretrainedOnPairs, pretrainingTokens, vocabulary }: Results): string[] {
  return [
    `pretraining text: ${isPretrainedOnPairs ? "the training pairs, prompt and response as one text" : "other text, as named above"}, ${grouped(pretrainingTokens)} tokens`,
    `training: ${described(training)}`,
    `held out and measured: ${described(heldOut)}`,
    `vocabulary: the ${grouped(vocabulary.size)} most frequent r50k tokens of the training text`,
  ];
}

function described({ pairs, documentsCut, responsesCut, responseTokens, unknownTokens }: PairCounts): string {
  return (
    `${grouped(pairs)} pairs with ${grouped(responseTokens)} tokens of responses, ` +
    `${percent(unknownTokens / responseTokens, 2)} of them outside the vocabulary and ignored; to fit the window, ` +
    `${grouped(documentsCut)} documents (${percent(documentsCut / pairs, 1)}) and ${grouped(responsesCut)} responses ` +
    `(${percent(responsesCut / pairs, 1)}) were cut`
  );
}

function settingsOf({ settings }: Results): string[] {
  const { preset, seed, alphas, chosen, linear, accumulate, temperature, topTokens } = settings;
  const { sizes, pretraining, fineTuning } = preset;
  return [
    `seed: ${seed}`,
    `alphas: ${alphas.join(", ")}`,
    `loss of choice: ${chosen.name}`,
    `model: width ${sizes.width}, ${sizes.blocks} block(s), ${sizes.heads} head(s), window ${sizes.window} tokens`,
    `pretraining: ${grouped(pretraining.steps)} steps of ${preset.windowsPerBatch} windows, learning rate up to ${pretraining.learningRate}`,
    `each fine-tuning: ${grouped(fineTuning.steps)} steps of ${preset.pairsPerBatch} pairs in ${accumulate} part(s), learning rate up to ${fineTuning.learningRate}`,
    `losses over: ${linear ? "hidden states and the output layer" : "logits"}`,
    `answers: ${temperature === 0 ? "the likeliest token each time" : `temperature ${decimals(temperature, 2)}, from the ${topTokens} likeliest tokens`}`,
  ];
}

/** Text whose characters mean nothing to Markdown. */
function verbatim(text: string): string {
  return text.replaceAll(/[\\`*_<>#[\]~]/g, "\\$&");
}

function fenced(text: string): string {
  return ["```", text, "```"].join("\n");
}
