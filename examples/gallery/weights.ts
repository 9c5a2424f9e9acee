/** Weight laws over the frequencies of a corpus, and what smoothing makes of its counts. */
import { type AnyLoss, compile, explain, type Frequencies } from "lossmith";
import { meaningOf } from "./code.ts";
import type { Curve, Panel, Picture, Section } from "./picture.ts";

/** One entry for each of some counts, evenly spread over their logarithms: the least and the largest are among them. */
function entriesByCount({ counts }: Frequencies): readonly number[] {
  const byCount = new Map<number, number>();
  counts.forEach((count, id) => {
    if (!byCount.has(count)) byCount.set(count, id);
  });
  const seen = [...byCount].filter(([count]) => count > 0).sort(([a], [b]) => a - b);
  const largest = Math.log(seen[seen.length - 1][0]);
  const chosen = new Map(seen.map(([count, id]) => [Math.round((90 * Math.log(count)) / largest), id] as const));
  return [...chosen.values()];
}

/** Each law's weight by the count of the entry, with the effective sample size of the corpus. */
function ofLaws(title: string, frequencies: Frequencies, laws: readonly string[]): Panel {
  const curves = laws.map((code): Curve => {
    const before =
      code.startsWith("freqWeights") || code.startsWith("classWeights") ? "" : "freqWeights(frequencies), ";
    const loss = meaningOf<AnyLoss>(`pipe(crossEntropy, ${before}${code}, normalise("tokenMean"))`, {
      frequencies,
      counts: frequencies.counts,
    });
    const compiled = compile(loss);
    const weights = entriesByCount(frequencies).map((id) => {
      const denominators = compiled.denominators({ labels: [id] } as never);
      const [weight] = denominators.dataSync();
      denominators.dispose();
      return [frequencies.counts[id], weight] as const;
    });
    compiled.dispose();
    const size = /effective sample size: (.*?) of/.exec(explain(loss))?.[1] ?? "";
    return { code, note: size, points: weights };
  });
  return {
    title,
    x: { title: "count of the token", scale: "log" },
    y: { title: "weight; the mean token weighs 1", scale: "log", domain: [1e-3, 200] },
    curves,
  };
}

/** The section of weights, over a corpus. */
export function weights(frequencies: Frequencies): Section {
  const law = (
    name: string,
    heading: string,
    text: string,
    ...panels: readonly (readonly [string, readonly string[]])[]
  ): Picture => ({
    name,
    heading,
    text,
    panels: panels.map(([title, laws]) => ofLaws(title, frequencies, laws)),
  });
  return {
    heading: "Weights by frequency",
    text:
      "The counts are those of the State of the Union addresses in r50k tokens, 2.07 million of 25 140 kinds. Each line is followed by " +
      '`normalise("tokenMean")`, so that curves compare: the mean token weighs 1. The legend gives the effective sample size, the share of ' +
      "tokens that the weighted corpus is worth; a few per cent say that few tokens decide every step.",
    pictures: [
      law(
        "decays",
        "Decays",
        "Power laws are straight lines here. An exponent of 1 gives every kind of token the same total, and leaves little of the corpus.",
        [
          "Laws of the count",
          [
            "powerLaw(0.25)",
            "powerLaw(0.5)",
            "powerLaw(1)",
            "inverseFrequency(0.4)",
            "logarithmic",
            "exponentialDecay(0.0001)",
            "stretchedExponential({ tau: 10000, beta: 0.5 })",
            "zipfMandelbrot({ s: -0.5, q: 2.7 })",
          ],
        ],
      ),
      law(
        "known-weights",
        "Weights that are known by a name",
        "From class-balanced loss to word2vec. FACE gives its most frequent token, and that alone, a weight of 0.",
        ["Of imbalanced classes", ["classBalanced(0.999)", "balanced", "face", 'tlat("exponential")', 'tlat("k2")']],
        ["Of words", ["idf()", "sif()", "glove()", "keepProbability()"]],
      ),
      law(
        "changes",
        "What changes a law",
        "Each after `powerLaw(0.5)`, beside the law alone. `classWeights` takes any numbers, here the counts themselves, where `freqWeights` gives unseen tokens a policy. 262 is the most frequent token.",
        [
          "Changes of powerLaw(0.5)",
          [
            "powerLaw(0.5)",
            "powerLaw(0.5), clip(0.01, 0.2)",
            "powerLaw(0.5), ramp(0.5)",
            "powerLaw(0.5), temper(1.5)",
            "powerLaw(0.5), override({ 262: 1 })",
            "classWeights(counts, { counts }), powerLaw(0.5, { epsilon: 10 })",
          ],
        ],
      ),
    ],
  };
}

/** What each smoothing makes of a count. */
export function smoothing(frequencies: Frequencies, tokens: readonly Int32Array[]): Section {
  const size = frequencies.counts.length;
  const inGroups = (lines: readonly string[]): readonly Curve[] =>
    lines.map((code): Curve => {
      const made = meaningOf<unknown>(code, { frequencies, sequences: tokens, vocabSize: size });
      const smoothed =
        typeof made === "function" ? (made as (f: Frequencies) => Frequencies)(frequencies) : (made as Frequencies);
      // Of the entries of one count, what they are given on the mean.
      const sums = new Map<number, [sum: number, entries: number]>();
      frequencies.counts.forEach((count, id) => {
        const [sum, entries] = sums.get(count) ?? [0, 0];
        sums.set(count, [sum + smoothed.counts[id], entries + 1]);
      });
      const points = [...sums]
        .filter(([count]) => count <= 12)
        .sort(([a], [b]) => a - b)
        .map(([count, [sum, entries]]) => [count, sum / entries] as const);
      return { code, points };
    });
  const axes = {
    x: { title: "count of the token" },
    y: { title: "adjusted count, a mean", domain: [0, 13] as const },
  };
  return {
    heading: "Smoothing of counts",
    text: "What becomes of small counts, and of tokens that were never seen, in the same corpus.",
    pictures: [
      {
        name: "smoothing",
        heading: "Adjusted counts",
        text:
          "Half of the vocabulary is never seen, so that what is given to it is taken from the counts that were. Kneser–Ney counts the " +
          "contexts of a token, not its uses; continuations are those contexts.",
        panels: [
          {
            title: "Count by count",
            ...axes,
            curves: inGroups(["addK(1)", "floor(3)", "jelinekMercer(0.95)", "absoluteDiscounting()", "goodTuring()"]),
          },
          {
            title: "From the tokens themselves",
            ...axes,
            curves: inGroups(["countContinuations(sequences, { vocabSize })", "kneserNey(sequences, { vocabSize })"]),
          },
        ],
      },
    ],
  };
}
