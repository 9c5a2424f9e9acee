/** What the numbers of an experiment say, in plain English. Every word that judges is chosen by a number. */
import { bands } from "../model/bands.ts";
import { decimals, percent } from "../report/tables.ts";
import { compared, negligible, signed } from "../report/words.ts";
import type { ContenderResult, Results } from "./experiment.ts";

/** One sentence, or a few, for each thing that was measured. */
export function findings(results: Results): string[] {
  const [crossEntropy, ...others] = results.contenders;
  return [
    learning(results),
    fineTuning(results, crossEntropy),
    ...others.map((other) => trade(other, crossEntropy)),
    bests(results),
    answers(results),
    caution(results),
  ];
}

function learning({ unigram, before, isPretrainedOnPairs }: Results): string {
  const gain = unigram.overall - before.measurement.overall;
  return (
    `Pretraining on ${isPretrainedOnPairs ? "the training pairs as plain text" : "other text"} gives ` +
    `${decimals(before.measurement.overall, 3)} nats a token on held-out responses, ${decimals(Math.abs(gain), 3)} ` +
    `${gain > 0 ? "below" : "above"} what the frequencies of the training responses give (${decimals(unigram.overall, 3)}).`
  );
}

function fineTuning({ unigram, before }: Results, crossEntropy: ContenderResult): string {
  const { overall } = crossEntropy.measurement;
  const change = overall - before.measurement.overall;
  return (
    `Fine-tuning with cross entropy ${compared(change, "raises", "lowers", "leaves")} that ` +
    (Math.abs(change) <= negligible ? "as it is, at " : `by ${decimals(Math.abs(change), 3)} to `) +
    `${decimals(overall, 3)}, a perplexity of ${decimals(Math.exp(overall), 1)} against ` +
    `${decimals(Math.exp(unigram.overall), 1)} for unigrams: ` +
    (unigram.overall - overall > negligible
      ? "the model has learnt from context."
      : "the model has not learnt from context; give it more steps.")
  );
}

function trade({ name, measurement }: ContenderResult, crossEntropy: ContenderResult): string {
  const changes = bands
    .map((band, i) => ({
      name: band.name === "rarer" ? "the rarer ones" : `rank ${band.name}`,
      change: measurement.byBand[i] - crossEntropy.measurement.byBand[i],
    }))
    .filter(({ change }) => Number.isFinite(change));
  const listed = (entries: typeof changes): string =>
    entries.map((entry) => `${entry.name} (${signed(entry.change, 3)})`).join(", ");
  const better = changes.filter(({ change }) => change < -negligible);
  const worse = changes.filter(({ change }) => change > negligible);
  const overall = measurement.overall - crossEntropy.measurement.overall;
  const said = compared(overall, "worse", "better", "as good");
  return (
    `${name}, against cross entropy on the same batches, ` +
    (better.length === 0 ? "predicts no band better" : `predicts better: ${listed(better)}`) +
    "; " +
    (worse.length === 0 ? "it predicts no band worse" : `it predicts worse: ${listed(worse)}`) +
    `. Overall it is ${said === "as good" ? said : `${said} by ${decimals(Math.abs(overall), 3)} nats`}.`
  );
}

/** Which loss has the best number of each kind; several where they are equal. */
function bests({ contenders, measured, hasReferences }: Results): string {
  const rarest = measured.byBand.findLastIndex((tokens) => tokens > 0);
  const least = (
    what: string,
    read: (contender: ContenderResult) => number,
    shown: (value: number) => string,
  ): string => {
    const finite = contenders.filter((contender) => Number.isFinite(read(contender)));
    if (finite.length === 0) return `${what} could not be measured`;
    const best = Math.min(...finite.map(read));
    const names = finite.filter((contender) => read(contender) - best <= negligible / 10).map(({ name }) => name);
    if (names.length === contenders.length) return `${what} is the same for all (${shown(best)})`;
    return `${what} is that of ${names.join(" and ")} (${shown(best)})`;
  };
  const nats = (value: number): string => decimals(value, 3);
  const share = (value: number): string => percent(-value, 2);
  return `${[
    least("The lowest loss overall", ({ measurement }) => measurement.overall, nats),
    least(`the lowest on rank ${bands[rarest]?.name ?? "1"}`, ({ measurement }) => measurement.byBand[rarest], nats),
    least("the highest accuracy on rare tokens", ({ measurement }) => -measurement.rareAccuracy, share),
    ...(hasReferences
      ? [
          least(
            "the highest ROUGE-L",
            ({ answers }) => -answers.rougeL,
            (value) => nats(-value),
          ),
        ]
      : []),
  ].join("; ")}.`;
}

function answers({ contenders, prompts }: Results): string {
  const [crossEntropy, ...others] = contenders;
  const all = others.map(({ name, answers: own }) => {
    const variety = own.distinct2 - crossEntropy.answers.distinct2;
    const repetition = own.repetition2 - crossEntropy.answers.repetition2;
    return (
      `${name}'s are ${compared(variety, "more varied", "less varied", "as varied")} (distinct-2 ${signed(variety, 3)}) and ` +
      `${compared(repetition, "repeat themselves more", "repeat themselves less", "repeat themselves as much")} ` +
      `(seq-rep-2 ${signed(repetition, 3)})`
    );
  });
  return `Over ${prompts.length} answers, against cross entropy's: ${all.join("; ")}.`;
}

function caution({ contenders, settings }: Results): string {
  const weighed = contenders.filter(({ effectiveSampleSize }) => Number.isFinite(effectiveSampleSize));
  const sizes = weighed.map(({ name, effectiveSampleSize }) => `${percent(effectiveSampleSize, 1)} for ${name}`);
  return (
    (weighed.length === 0
      ? ""
      : `Under PDL's weights the training tokens count as fewer (effective sample size: ${sizes.join(", ")}), so its gradients are noisier. `) +
    `All this is one run with seed ${settings.seed}: try others before trusting a small difference.`
  );
}
