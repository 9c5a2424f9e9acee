/** What the numbers of an experiment say, in plain English. Every word that judges is chosen by a number. */
import { bands } from "../model/bands.ts";
import { decimals, percent } from "../report/tables.ts";
import { compared, negligible, signed } from "../report/words.ts";
import type { Results } from "./experiment.ts";

/** One sentence, or a few, for each thing that was measured. */
export function findings(results: Results): string[] {
  return [
    learning(results),
    fineTuning(results),
    trade(results),
    rareAccuracy(results),
    samples(results),
    weight(results),
  ];
}

function learning({ unigram, before }: Results): string {
  const gain = unigram.overall - before.measurement.overall;
  return (
    `Pretraining on old addresses gives ${decimals(before.measurement.overall, 3)} nats a token on recent ones, ` +
    `${decimals(Math.abs(gain), 3)} ${gain > 0 ? "below" : "above"} what the unigram frequencies of the recent ones give ` +
    `(${decimals(unigram.overall, 3)}).`
  );
}

function fineTuning({ unigram, before, crossEntropy }: Results): string {
  const { overall } = crossEntropy.measurement;
  const change = overall - before.measurement.overall;
  const context = unigram.overall - overall;
  return (
    `Fine-tuning with cross entropy ${change < 0 ? "lowers" : "raises"} that by ${decimals(Math.abs(change), 3)} to ` +
    `${decimals(overall, 3)}, a perplexity of ${decimals(Math.exp(overall), 0)} against ` +
    `${decimals(Math.exp(unigram.overall), 0)} for unigrams: ` +
    (context > 0 ? "the model has learnt from context." : "the model has not learnt from context; give it more steps.")
  );
}

function trade({ settings, crossEntropy, powerLawDecay }: Results): string {
  const changes = bands
    .map(({ name }, band) => ({
      name: name === "rarer" ? "the rarer ones" : `rank ${name}`,
      change: powerLawDecay.measurement.byBand[band] - crossEntropy.measurement.byBand[band],
    }))
    .filter(({ change }) => Number.isFinite(change));
  const listed = (entries: typeof changes): string =>
    entries.map(({ name, change }) => `${name} (${signed(change, 3)})`).join(", ");
  const better = changes.filter(({ change }) => change < -negligible);
  const worse = changes.filter(({ change }) => change > negligible);
  const overall = powerLawDecay.measurement.overall - crossEntropy.measurement.overall;
  return [
    `PDL with alpha ${settings.alpha}, against cross entropy on the same batches, `,
    better.length === 0 ? "predicts no band better" : `predicts better: ${listed(better)}`,
    "; ",
    worse.length === 0 ? "it predicts no band worse" : `it predicts worse: ${listed(worse)}`,
    `. Overall it is ${Math.abs(overall) <= negligible ? "as good" : `${overall < 0 ? "better" : "worse"} by ${decimals(Math.abs(overall), 3)} nats`}.`,
  ].join("");
}

function rareAccuracy({ crossEntropy, powerLawDecay }: Results): string {
  const plain = crossEntropy.measurement.rareAccuracy;
  const weighted = powerLawDecay.measurement.rareAccuracy;
  return (
    `A token of rank above 1 000 is the model's first guess in ${percent(plain, 2)} of its places after cross entropy and in ` +
    `${percent(weighted, 2)} after PDL.`
  );
}

function samples({ crossEntropy, powerLawDecay, settings }: Results): string {
  const variety = powerLawDecay.distinct2 - crossEntropy.distinct2;
  const repetition = powerLawDecay.repetition2 - crossEntropy.repetition2;
  return (
    `Over ${settings.sampling.prompts} sampled texts, PDL's are ${compared(variety, "more varied than", "less varied than", "as varied as")} ` +
    `cross entropy's (distinct-2 ${signed(variety, 3)}) and ` +
    `${compared(repetition, "repeat themselves more", "repeat themselves less", "repeat themselves as much")} ` +
    `(seq-rep-2 ${signed(repetition, 3)}).`
  );
}

function weight({ effectiveSampleSize, settings }: Results): string {
  return (
    `Under PDL's final weights the fine-tuning tokens count as ${percent(effectiveSampleSize, 1)} of their number ` +
    `(effective sample size), so its gradients are ${effectiveSampleSize < 0.9995 ? "noisier" : "as noisy"}. ` +
    `All this is one run with seed ${settings.seed}: try others before trusting a small difference.`
  );
}
