/** The laws of the library that are one formula of an entry's count, each beside that formula in plain float64. */
import {
  balanced,
  classBalanced,
  exponentialDecay,
  face,
  glove,
  idf,
  inverseFrequency,
  keepProbability,
  type LawCombinator,
  logarithmic,
  sif,
  stretchedExponential,
  temper,
  tlat,
  zipfMandelbrot,
} from "lossmith";

export interface WeightLaw {
  readonly law: LawCombinator;
  /** The weights, given the raw counts, on freqWeights(fromCounts(counts)). */
  readonly formula: (counts: readonly number[]) => readonly number[];
  readonly readsCounts: boolean;
  /** Whether weights rise or fall with the count. */
  readonly direction: "rises" | "falls" | "neither";
}

const total = (numbers: readonly number[]): number => numbers.reduce((sum, x) => sum + x, 0);
/** Unseen entries count as seen once. */
const seen = (counts: readonly number[]): readonly number[] => counts.map((c) => (c === 0 ? 1 : c));
const each = (f: (c: number) => number) => (counts: readonly number[]) => seen(counts).map(f);
const share = (f: (p: number) => number) => (counts: readonly number[]) => counts.map((c) => f(c / total(counts)));

/** 1 for the largest; equal counts share the mean of the places that they take. */
export function ranks(counts: readonly number[]): readonly number[] {
  return counts.map((c) => {
    const above = counts.filter((other) => other > c).length;
    return above + (counts.filter((other) => other === c).length + 1) / 2;
  });
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function adaptive(v: (n: number) => number): (counts: readonly number[]) => readonly number[] {
  return (counts) => {
    const middle = median(counts.filter((c) => c > 0));
    const values = seen(counts).map((c) => v(c / middle));
    const highest = Math.max(...values);
    return values.map((x) => 1 + (Math.E - 1) * (x / highest));
  };
}

export const weightLaws: Readonly<Record<string, WeightLaw>> = {
  exponentialDecay: {
    law: exponentialDecay(0.01),
    formula: each((f) => Math.exp(-0.01 * f)),
    readsCounts: false,
    direction: "falls",
  },
  stretchedExponential: {
    law: stretchedExponential({ tau: 50, beta: 0.5 }),
    formula: each((f) => Math.exp(-((f / 50) ** 0.5))),
    readsCounts: false,
    direction: "falls",
  },
  logarithmic: {
    law: logarithmic,
    formula: each((f) => 1 / Math.log(Math.E + f)),
    readsCounts: false,
    direction: "falls",
  },
  inverseFrequency: {
    law: inverseFrequency(0.4),
    formula: each((f) => f ** -0.4),
    readsCounts: false,
    direction: "falls",
  },
  glove: {
    law: glove(),
    formula: each((f) => Math.min(1, (f / 100) ** 0.75)),
    readsCounts: false,
    direction: "rises",
  },
  temper: { law: temper(-0.25), formula: each((f) => f ** -0.25), readsCounts: false, direction: "falls" },
  zipfMandelbrot: {
    law: zipfMandelbrot(),
    formula: (counts) => ranks(counts).map((r) => (r + 2.7) ** -1),
    readsCounts: true,
    direction: "rises",
  },
  balanced: {
    law: balanced,
    formula: (counts) => seen(counts).map((c) => total(counts) / (counts.length * c)),
    readsCounts: true,
    direction: "falls",
  },
  classBalanced: {
    law: classBalanced(0.9),
    formula: (counts) => {
      const inverse = seen(counts).map((c) => (1 - 0.9) / (1 - 0.9 ** c));
      return inverse.map((w) => (w * counts.length) / total(inverse));
    },
    readsCounts: true,
    direction: "falls",
  },
  'tlat("exponential")': {
    law: tlat("exponential"),
    formula: adaptive((n) => Math.exp(-1.75 * n)),
    readsCounts: true,
    direction: "falls",
  },
  'tlat("k2")': {
    law: tlat("k2", { t: 1 }),
    formula: adaptive((n) => n ** 2 * Math.exp(-n)),
    readsCounts: true,
    direction: "neither",
  },
  idf: {
    law: idf(),
    formula: (counts) => counts.map((c) => Math.log((1 + total(counts)) / (1 + c)) + 1),
    readsCounts: true,
    direction: "falls",
  },
  "idf, not smooth": {
    law: idf({ smooth: false, documents: 100_000 }),
    formula: each((c) => Math.log(100_000 / c) + 1),
    readsCounts: true,
    direction: "falls",
  },
  sif: { law: sif(), formula: share((p) => 1e-3 / (1e-3 + p)), readsCounts: true, direction: "falls" },
  keepProbability: {
    law: keepProbability(0.05),
    formula: share((p) => Math.min(1, Math.sqrt(0.05 / p))),
    readsCounts: true,
    direction: "falls",
  },
  face: {
    law: face,
    formula: (counts) => {
      const raw = counts.map((c) => 1 - c / Math.max(...counts));
      return raw.map((w) => (w * counts.length) / total(raw));
    },
    readsCounts: true,
    direction: "falls",
  },
};
