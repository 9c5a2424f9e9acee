/** Random losses over values, and batches in their domains. */
import fc from "fast-check";
import {
  add,
  binaryCrossEntropy,
  binaryFocal,
  categoricalHinge,
  cosineSimilarity,
  dice,
  dpo,
  hinge,
  huber,
  ipo,
  jaccard,
  type Kind,
  klDivergenceOfProbabilities,
  kto,
  type Loss,
  language,
  logCosh,
  meanAbsoluteError,
  meanSquaredError,
  orpo,
  type PlainValuesBatch,
  parameter,
  perToken,
  pipe,
  poisson,
  quantile,
  scale,
  simPO,
  squaredHinge,
  tripletMargin,
  tversky,
} from "lossmith";
import {
  type Composition,
  forget,
  inputsOf,
  type NamedChange,
  named,
  nest,
  numeric,
  own,
  reductions,
  within,
} from "./arbitraries.ts";

type Values = Loss<"values", "without a weight field">;

/** What a loss's predictions and targets are. */
export type Domain =
  | "numbers"
  | "scores"
  | "logits"
  | "probabilities"
  | "rates"
  | "distributions"
  | "embeddings"
  | "logProbabilities";

/** A loss over values in a domain. */
export interface Subject {
  readonly name: string;
  readonly domain: Domain;
  readonly loss: fc.Arbitrary<Values>;
  /** The columns of a row: any number by default. */
  readonly columns?: Columns;
  /** Whether a row's value depends on other rows, by a number whose gradient is detached. */
  readonly couples?: boolean;
}

/** So many columns, or a multiple. */
export interface Columns {
  readonly parts: number;
  readonly size: 1 | "any";
}

const pair: Columns = { parts: 2, size: 1 };
const triple: Columns = { parts: 3, size: "any" };

/** A number of columns that fits, near one that is asked for. */
export function fitting(columns: Columns | undefined, wanted: number): number {
  if (columns === undefined) return wanted;
  return columns.size === 1 ? columns.parts : columns.parts * Math.ceil(wanted / columns.parts);
}

const smooth = fc.option(numeric(0, 2), { nil: 0 });
const smoothing = fc.option(numeric(0, 1), { nil: 0 });
const beta = numeric(0.02, 3);
// At ½ the gradient of a pair without a preference is the difference of two equal parts.
const doubt = fc.option(numeric(0, 0.4), { nil: 0 });

/** Every loss over values of the library. */
export const subjects: readonly Subject[] = [
  { name: "meanSquaredError", domain: "numbers", loss: fc.constant(meanSquaredError) },
  { name: "meanAbsoluteError", domain: "numbers", loss: fc.constant(meanAbsoluteError) },
  { name: "huber", domain: "numbers", loss: numeric(0.1, 4).map((delta) => huber({ delta })) },
  { name: "logCosh", domain: "numbers", loss: fc.constant(logCosh) },
  { name: "quantile", domain: "numbers", loss: numeric(0.01, 1).map(quantile) },
  { name: "cosineSimilarity", domain: "numbers", loss: fc.constant(cosineSimilarity) },
  { name: "hinge", domain: "scores", loss: fc.constant(hinge) },
  { name: "squaredHinge", domain: "scores", loss: fc.constant(squaredHinge) },
  { name: "categoricalHinge", domain: "logits", loss: fc.constant(categoricalHinge) },
  { name: "poisson", domain: "rates", loss: fc.constant(poisson) },
  { name: "klDivergenceOfProbabilities", domain: "distributions", loss: fc.constant(klDivergenceOfProbabilities) },
  { name: "dice", domain: "probabilities", loss: smooth.map((s) => dice({ smooth: s })) },
  { name: "jaccard", domain: "probabilities", loss: smooth.map((s) => jaccard({ smooth: s })) },
  {
    name: "tversky",
    domain: "probabilities",
    loss: fc.record({ alpha: numeric(0.1, 2), beta: numeric(0.1, 2), smooth }).map(tversky),
  },
  {
    name: "tripletMargin",
    domain: "embeddings",
    loss: fc
      .record({
        margin: numeric(0.1, 8),
        p: fc.constantFrom(1, 1.5, 2, 3, Number.POSITIVE_INFINITY),
        swap: fc.boolean(),
      })
      .map(tripletMargin),
    columns: triple,
  },
  ...[
    { name: "dpo", loss: fc.record({ beta, labelSmoothing: doubt }).map(dpo) },
    { name: "ipo", loss: fc.record({ beta }).map(ipo) },
    { name: "simPO", loss: fc.record({ beta, gamma: numeric(0, 3), labelSmoothing: doubt }).map(simPO) },
    { name: "orpo", loss: fc.record({ lambda: numeric(0.1, 2), likelihood: numeric(0.1, 2) }).map(orpo) },
    {
      name: "kto",
      loss: fc.record({ beta, desirableWeight: numeric(0.1, 2), undesirableWeight: numeric(0.1, 2) }).map(kto),
      couples: true,
    },
  ].map((subject): Subject => ({ ...subject, domain: "logProbabilities", columns: pair })),
  ...(["logits", "probabilities"] as const).flatMap((from): Subject[] => [
    {
      name: `binaryCrossEntropy from ${from}`,
      domain: from,
      loss: smoothing.map((labelSmoothing) => binaryCrossEntropy({ from, labelSmoothing })),
    },
    {
      name: `binaryFocal from ${from}`,
      domain: from,
      loss: fc
        .record({
          gamma: numeric(0, 3),
          alpha: fc.option(numeric(0.01, 1), { nil: undefined }),
          labelSmoothing: smoothing,
        })
        .map(({ alpha, ...rest }) => binaryFocal({ from, ...rest, ...(alpha === undefined ? {} : { alpha }) })),
    },
  ]),
];

const { constant, divide, lossOfValues, multiply, overColumns, pow, prediction, subtract, target } = language;

/** Losses of one's own whose numbers over the columns read others: a deviation from the row's mean, and a shared maximum. */
export const ownSubjects: readonly Subject[] = [
  {
    name: "squared deviations from the means",
    domain: "numbers",
    loss: fc.constant(
      (() => {
        const centred = subtract(prediction, overColumns("mean", prediction));
        const difference = subtract(centred, subtract(target, overColumns("mean", target)));
        return lossOfValues(overColumns("sum", multiply(difference, difference)));
      })(),
    ),
  },
  {
    name: "relative to the largest",
    domain: "rates",
    loss: fc.constant(
      (() => {
        const largest = overColumns("max", language.add(prediction, constant(0.5)));
        const share = subtract(divide(prediction, largest), divide(target, constant(8)));
        return lossOfValues(pow(language.add(overColumns("mean", multiply(share, share)), constant(1)), constant(1.5)));
      })(),
    ),
  },
];

/** Ties come up, in float32 where they do in float64: sums and products of these are exact. */
const number = fc.integer({ min: -512, max: 512 }).map((n) => n / 64);
const share = fc.oneof(fc.constantFrom(0, 1), within(0, 1)).map(Math.fround);
/** Without ties: where two distances are equal but for rounding, float32 may take the other one's gradient. */
const component = fc.noBias(fc.integer({ min: -4e6, max: 4e6 })).map((n) => Math.fround(n / 1e6));
const logProbability = fc.oneof(fc.constant(-1e-3), within(-12, -0.01)).map(Math.fround);
const answer = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(0, 1) }, { weight: 1, arbitrary: share });

const domains: Readonly<
  Record<Domain, { readonly prediction: fc.Arbitrary<number>; readonly target: fc.Arbitrary<number> }>
> = {
  numbers: { prediction: number, target: number },
  scores: { prediction: number, target: fc.constantFrom(-1, 1, 0) },
  logits: { prediction: number, target: answer },
  probabilities: { prediction: share, target: answer },
  rates: { prediction: within(0, 8).map(Math.fround), target: fc.integer({ min: 0, max: 6 }) },
  distributions: { prediction: share, target: share },
  embeddings: { prediction: component, target: component },
  logProbabilities: { prediction: logProbability, target: logProbability },
};

/** A batch of values, with the shape of its rows and of its predictions. */
export interface RandomValues {
  readonly shape: readonly number[];
  readonly inputShape: readonly number[];
  readonly plain: PlainValuesBatch;
}

export interface ValuesCase {
  readonly composition: Composition;
  readonly batch: RandomValues;
}

function batchesOf(
  { prediction: p, target: t }: (typeof domains)[Domain],
  wanted: Columns | undefined,
): fc.Arbitrary<RandomValues> {
  const shapes = fc.oneof(
    { weight: 6, arbitrary: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.constantFrom([0], [2, 0], [0, 3]) },
  );
  return fc.tuple(shapes, fc.integer({ min: 1, max: 7 })).chain(([shape, about]) => {
    const columns = fitting(wanted, about);
    const rows = shape.reduce((product, n) => product * n, 1);
    const inputShape = [...shape, columns];
    const each = <T>(entry: fc.Arbitrary<T>, length = rows): fc.Arbitrary<T[]> =>
      fc.array(entry, { minLength: length, maxLength: length });
    return fc
      .record({
        predictions: each(p, rows * columns),
        targets: each(t, rows * columns),
        x: each(within(0.1, 2).map(Math.fround)),
        desirable: each(fc.constantFrom(0, 1)),
        mask: fc.option(each(fc.boolean())),
        sampleWeight: fc.option(each(fc.oneof(fc.constant(0), within(0.1, 4).map(Math.fround)))),
        step: fc.integer({ min: 0, max: 30 }),
      })
      .map(({ predictions, targets, x, desirable, mask, sampleWeight, step }) => ({
        shape,
        inputShape,
        plain: {
          predictions: nest(predictions, inputShape),
          targets: nest(targets, inputShape),
          ...(mask === null ? {} : { mask: nest(mask, shape) }),
          ...(sampleWeight === null ? {} : { sampleWeight: nest(sampleWeight, shape) }),
          inputs: { ...inputsOf(x, shape), desirable: nest(desirable, shape) },
          step,
        } as PlainValuesBatch,
      }));
  });
}

/** Batches for a loss in a domain. */
export function valuesBatches(domain: Domain, columns?: Columns): fc.Arbitrary<RandomValues> {
  return batchesOf(domains[domain], columns);
}

const changes: fc.Arbitrary<NamedChange> = fc.oneof(
  own,
  named("scale", numeric(0.1, 3).map(scale)),
  named(
    "scale(parameter)",
    within(0.5, 3).map((s) => scale(parameter(`scale ${s}`, s))),
  ),
  named(
    "add(huber)",
    fc.tuple(numeric(0.5, 2), numeric(0.1, 2)).map(([delta, s]) => add(pipe(huber({ delta }), scale(s)))),
  ),
);

/** A loss of the subject with modifiers, one number a row or reduced. */
function compositionsOf({ name, loss }: Subject): fc.Arbitrary<Composition> {
  const last = fc.oneof(
    { weight: 4, arbitrary: fc.option(reductions, { nil: undefined }) },
    { weight: 1, arbitrary: fc.constant({ name: "perToken", change: forget(perToken) }) },
  );
  return fc.tuple(loss, fc.array(changes, { maxLength: 3 }), last).map(([base, modifiers, end]) => {
    const all = end === undefined ? modifiers : [...modifiers, end];
    const whole = all.reduce<Loss<"values" | "logits", Kind>>((inner, { change }) => change(inner), base);
    return { steps: [name, ...all.map((step) => step.name)], loss: whole };
  });
}

/** Cases of one loss. */
export function casesOf(subject: Subject): fc.Arbitrary<ValuesCase> {
  return fc.record({ composition: compositionsOf(subject), batch: valuesBatches(subject.domain, subject.columns) });
}

const all = [...subjects, ...ownSubjects];

/** Cases of every loss over values, the library's and one's own. */
export const valuesCases: fc.Arbitrary<ValuesCase> = fc.oneof(...all.map(casesOf));

/** Cases of those whose gradient is the slope of their value: nothing in it is detached. */
export const attachedCases: fc.Arbitrary<ValuesCase> = fc.oneof(
  ...all.filter(({ couples = false }) => !couples).map(casesOf),
);
