/** The losses over logits by their formulas, written out for rows of plain numbers. */
import {
  type AnyLoss,
  balancedSoftmax,
  crossEntropy,
  dft,
  fromCounts,
  generalisedCrossEntropy,
  labelSmoothing,
  ldam,
  mile,
  mixCE,
  pipe,
  superLoss,
  symmetricCrossEntropy,
  temperature,
} from "lossmith";

export type Rows = readonly (readonly number[])[];

/** The values of some rows at their labels; what is detached from the gradient reads `frozen` in place of the rows. */
export type Formula = (rows: Rows, labels: readonly number[], frozen: Rows) => readonly number[];

export interface Named {
  readonly loss: AnyLoss;
  readonly formula: Formula;
  /** Whether the value at soft labels is the sum of those at the labels, weighed. */
  readonly linear: boolean;
}

export function logSoftmax(z: readonly number[]): readonly number[] {
  const top = Math.max(...z);
  const log = Math.log(z.reduce((sum, x) => sum + Math.exp(x - top), 0));
  return z.map((x) => x - top - log);
}

export const nllOf = (z: readonly number[], y: number): number => -logSoftmax(z)[y];
const p = (z: readonly number[], y: number): number => Math.exp(-nllOf(z, y));
const entropy = (z: readonly number[]): number => logSoftmax(z).reduce((sum, x) => sum - Math.exp(x) * x, 0);
export const mean = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length;

/** A formula for each row alone. */
const eachRow =
  (value: (z: readonly number[], y: number, frozen: readonly number[]) => number): Formula =>
  (rows, labels, frozen) =>
    rows.map((z, i) => value(z, labels[i], frozen[i]));

/** By bisection, which needs nothing but that w exp(w) rises. */
function lambertW(x: number): number {
  let [low, high] = [-1, 60];
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (middle * Math.exp(middle) < x) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function superOf(loss: number, tau: number, lambda: number, frozenLoss: number, frozenTau: number): number {
  const w = lambertW(0.5 * Math.max(-2 / Math.E, (frozenLoss - frozenTau) / lambda));
  return (loss - tau) * Math.exp(-w) + lambda * w * w;
}

export const classes = 4;
export const counts: readonly number[] = [625, 81, 16, 1];
const margins = counts.map((c) => 0.5 * c ** -0.25);

const smoothed =
  (value: (z: readonly number[], y: number) => number, share: number): Formula =>
  (rows, labels) =>
    rows.map((z, i) => {
      const others = z.map((_, c) => value(z, c)).filter((_, c) => c !== labels[i]);
      const low = share / (classes - 1);
      const constant = (1 - share) * Math.log(1 - share) + (classes - 1) * low * Math.log(low);
      return (1 - share) * value(z, labels[i]) + low * others.reduce((a, b) => a + b, 0) + constant;
    });

/** Each with numbers for all of its parameters. */
export const namedLosses: Readonly<Record<string, Named>> = {
  generalisedCrossEntropy: {
    loss: generalisedCrossEntropy({ q: 0.4 }),
    formula: eachRow((z, y) => (1 - p(z, y) ** 0.4) / 0.4),
    linear: true,
  },
  symmetricCrossEntropy: {
    loss: symmetricCrossEntropy({ alpha: 0.3, beta: 2, A: -6 }),
    formula: eachRow((z, y) => {
      const reverse = z.reduce((sum, _, k) => sum - p(z, k) * (k === y ? 0 : -6), 0);
      return 0.3 * nllOf(z, y) + 2 * reverse;
    }),
    linear: true,
  },
  mixCE: {
    loss: pipe(crossEntropy, mixCE(0.3)),
    formula: eachRow((z, y, frozen) => (0.3 + 0.7 * p(frozen, y)) * nllOf(z, y)),
    linear: true,
  },
  dft: { loss: pipe(crossEntropy, dft), formula: eachRow((z, y, frozen) => p(frozen, y) * nllOf(z, y)), linear: true },
  "dft of a tempered loss": {
    loss: pipe(crossEntropy, temperature(2), dft),
    formula: eachRow((z, y, frozen) => {
      const half = (row: readonly number[]): readonly number[] => row.map((x) => x / 2);
      return p(half(frozen), y) * nllOf(half(z), y);
    }),
    linear: true,
  },
  mile: {
    loss: pipe(crossEntropy, mile({ gamma: 1.5 })),
    formula: (rows, labels, frozen) => {
      const unsure = frozen.map((z) => (1 + entropy(z)) ** 1.5);
      return rows.map((z, i) => (unsure[i] / mean(unsure)) * nllOf(z, labels[i]));
    },
    linear: false,
  },
  "superLoss with tau log V": {
    loss: pipe(crossEntropy, superLoss({ lambda: 0.8 })),
    formula: eachRow((z, y, frozen) =>
      superOf(nllOf(z, y), Math.log(classes), 0.8, nllOf(frozen, y), Math.log(classes)),
    ),
    linear: false,
  },
  "superLoss with a given tau": {
    loss: pipe(crossEntropy, superLoss({ lambda: 2, tau: 0.4 })),
    formula: eachRow((z, y, frozen) => superOf(nllOf(z, y), 0.4, 2, nllOf(frozen, y), 0.4)),
    linear: false,
  },
  "superLoss with the batch's mean": {
    loss: pipe(crossEntropy, superLoss({ lambda: 0.8, tau: "batchMean" })),
    formula: (rows, labels, frozen) => {
      const before = frozen.map((z, i) => nllOf(z, labels[i]));
      return rows.map((z, i) => superOf(nllOf(z, labels[i]), mean(before), 0.8, before[i], mean(before)));
    },
    linear: false,
  },
  ldam: {
    loss: ldam({ counts, scale: 3 }),
    formula: eachRow((z, y) =>
      nllOf(
        z.map((x, c) => 3 * (c === y ? x - margins[c] : x)),
        y,
      ),
    ),
    linear: true,
  },
  balancedSoftmax: {
    loss: pipe(crossEntropy, balancedSoftmax(fromCounts(counts))),
    formula: eachRow((z, y) =>
      nllOf(
        z.map((x, c) => x + Math.log(counts[c])),
        y,
      ),
    ),
    linear: true,
  },
  "t5x's label smoothing": {
    loss: pipe(crossEntropy, labelSmoothing(0.2, { form: "t5x" })),
    formula: smoothed(nllOf, 0.2),
    linear: true,
  },
};
