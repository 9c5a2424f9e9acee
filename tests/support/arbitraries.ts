/** Random compositions and batches that fit them, for property tests. */
import fc from "fast-check";
import {
  type AnyLoss,
  add,
  addK,
  balanced,
  balancedSoftmax,
  classBalanced,
  classWeights,
  clip,
  confidencePenalty,
  constant,
  cosine,
  crossEntropy,
  dft,
  distillation,
  exponentialDecay,
  type Frequencies,
  face,
  focal,
  freqWeights,
  fromCounts,
  fromProbabilities,
  generalisedCrossEntropy,
  glove,
  idf,
  ignoreIndex,
  inverseFrequency,
  keepProbability,
  klDivergence,
  labelSmoothing,
  language,
  ldam,
  linear,
  logarithmic,
  logitAdjustment,
  mean,
  mile,
  mixCE,
  type Numeric,
  normalise,
  override,
  type PlainBatch,
  parameter,
  perToken,
  pipe,
  poly,
  powerLaw,
  ramp,
  scale,
  sif,
  softcap,
  stretchedExponential,
  sum,
  superLoss,
  symmetricCrossEntropy,
  temper,
  temperature,
  tlat,
  tokenSelection,
  uncertainty,
  weightedMean,
  zipfMandelbrot,
  zLoss,
} from "lossmith";
import { flat } from "./distance.ts";

const { add: plus, batchMean, constant: constantOf, highest, input, modulate, multiply, overSequence } = language;
const { overTargets, position, subtract, unary, weigh } = language;

/** A combinator with its static role forgotten. */
export type Change = (loss: AnyLoss) => AnyLoss;

/** A composition as the list of its steps, so that a failing case can be read. */
export interface Composition {
  readonly steps: readonly string[];
  readonly loss: AnyLoss;
}

export interface NamedChange {
  readonly name: string;
  readonly change: Change;
}

export const forget = (combinator: unknown): Change => combinator as Change;

/** Four digits are enough: weights that float32 rounds to 0 are another test's subject. */
export const within = (min: number, max: number): fc.Arbitrary<number> =>
  fc.double({ min, max, noNaN: true }).map((x) => Math.max(min, Math.min(max, Math.round(x * 1e4) / 1e4)));

/** A number or a schedule between two numbers. */
export function numeric(min: number, max: number): fc.Arbitrary<Numeric> {
  const steps = fc.integer({ min: 1, max: 20 });
  return fc.oneof(
    within(min, max),
    within(min, max).map(constant),
    fc.record({ init: within(min, max), end: within(min, max), steps }).map(linear),
    fc.record({ init: within(min, max), steps, alpha: within(min / max, 1) }).map(cosine),
  );
}

/** A number or a schedule that stays between the two. */
function slow(min: number, max: number): fc.Arbitrary<Numeric> {
  const steps = fc.integer({ min: 1, max: 20 });
  return fc.oneof(within(min, max), fc.record({ init: within(min, max), end: within(min, max), steps }).map(linear));
}

export function named(name: string, change: fc.Arbitrary<unknown>): fc.Arbitrary<NamedChange> {
  return change.map((combinator) => ({ name, change: forget(combinator) }));
}

function attachments(classes: number): fc.Arbitrary<NamedChange> {
  const counts = fc.array(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 1000 })), {
    minLength: classes,
    maxLength: classes,
  });
  const frequencies = counts.map((c) => fromCounts(c.map((x, id) => (id === 0 ? x + 1 : x))));
  return fc.oneof(
    named(
      "freqWeights",
      fc
        .record({
          frequencies: fc.oneof(frequencies, frequencies.map(addK(0.5))),
          as: fc.constantFrom<"count" | "relative">("count", "relative"),
          unseen: fc.constantFrom<number | "epsilon">(1, 0.5, "epsilon"),
        })
        .map(({ frequencies: f, as, unseen }) => freqWeights(f, { as, unseen })),
    ),
    named(
      "classWeights",
      fc
        .record({
          w: fc.array(fc.oneof(fc.constant(0), within(0.1, 5)), { minLength: classes, maxLength: classes }),
          counts,
        })
        .map(({ w, counts: c }) => classWeights(w, { counts: c.map((x) => x + 1) })),
    ),
  );
}

function laws(classes: number): fc.Arbitrary<NamedChange> {
  return fc.oneof(
    named(
      "powerLaw",
      numeric(0, 1.5).map((alpha) => powerLaw(alpha, { epsilon: 1e-3 })),
    ),
    named(
      "exponentialDecay",
      numeric(0, 0.02).map((lambda) => exponentialDecay(lambda)),
    ),
    named("classBalanced", within(0, 0.99).map(classBalanced)),
    named(
      "clip",
      within(0.01, 1).map((lo) => clip(lo, lo + 2)),
    ),
    named(
      "stretchedExponential",
      fc.record({ tau: numeric(100, 500), beta: numeric(0.1, 0.5) }).map(stretchedExponential),
    ),
    named("logarithmic", fc.constant(logarithmic)),
    named("inverseFrequency", numeric(0, 1).map(inverseFrequency)),
    named("zipfMandelbrot", fc.record({ s: numeric(-1, 2), q: numeric(0, 5) }).map(zipfMandelbrot)),
    named("balanced", fc.constant(balanced)),
    named(
      "tlat",
      fc
        .tuple(fc.constantFrom<"exponential" | "k2">("exponential", "k2"), numeric(0, 2))
        .map(([form, t]) => tlat(form, { t })),
    ),
    named("idf", fc.constantFrom(idf(), idf({ smooth: false }))),
    named("sif", numeric(1e-3, 1).map(sif)),
    named("keepProbability", numeric(1e-3, 1).map(keepProbability)),
    named("glove", fc.record({ xMax: numeric(1, 500), exponent: numeric(0, 1) }).map(glove)),
    named("face", fc.constant(face)),
    named("temper", numeric(0, 1.3).map(temper)),
    named("ramp", numeric(0, 1).map(ramp)),
    named("normalise max", fc.constant(normalise("max"))),
    named("normalise typeMean", fc.constant(normalise("typeMean"))),
    named("normalise tokenMean", fc.constant(normalise("tokenMean"))),
    named(
      "override",
      fc.record({ id: fc.nat({ max: classes - 1 }), w: numeric(0, 3) }).map(({ id, w }) => override({ [id]: w })),
    ),
  );
}

function anywhere(classes: number): fc.Arbitrary<NamedChange> {
  return fc.oneof(
    named("ignoreIndex", fc.constantFrom(-100, -1, 0, classes - 1).map(ignoreIndex)),
    named("scale", numeric(0.1, 3).map(scale)),
  );
}

/** Modulators of one's own, over what a row may read beside its logits. */
export const own: fc.Arbitrary<NamedChange> = fc.oneof(
  named(
    "position",
    within(0, 1).map((rate) => modulate("position", (loss) => multiply(decay(rate), loss))),
  ),
  named("input", fc.constant(modulate("input", (loss) => multiply(input("x"), loss)))),
  named(
    "overSequence",
    fc.constant(modulate("overSequence", (loss) => multiply(unary("sigmoid", overSequence(loss)), loss))),
  ),
  named(
    "batchMean",
    within(0.1, 1).map((share) =>
      modulate("batchMean", (loss) => plus(loss, multiply(constantOf(share), batchMean(loss)))),
    ),
  ),
  named(
    "highest",
    numeric(0.1, 1).map((share) =>
      // Of values on a grid many would tie, and float32 would break the ties.
      modulate("highest", (loss) =>
        weigh(highest(share, subtract(overTargets(loss), multiply(constantOf(Math.PI), input("x")))), loss),
      ),
    ),
  ),
  named(
    "tokenSelection",
    numeric(0.1, 1).map((share) => tokenSelection(share, { reference: "irrational" })),
  ),
);

function decay(rate: number): language.ClassExpression {
  return unary("exp", multiply(constantOf(-rate), position));
}

/** What compositions are built on: klDivergence, which labelSmoothing refuses, where nothing is smoothed. */
function bases(classes: number, smoothed: boolean): fc.Arbitrary<Composition> {
  const counts = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: classes, maxLength: classes });
  const others = fc.oneof(
    fc
      .record({ q: numeric(0, 1) })
      .map((options) => ({ steps: ["generalisedCrossEntropy"], loss: generalisedCrossEntropy(options) })),
    fc
      .record({ alpha: numeric(0.1, 2), beta: numeric(0.1, 2), A: within(-9, 0) })
      .map((options) => ({ steps: ["symmetricCrossEntropy"], loss: symmetricCrossEntropy(options) })),
    fc
      .record({ counts, maxMargin: numeric(0, 1), scale: numeric(0.5, 5) })
      .map((options) => ({ steps: ["ldam"], loss: ldam(options) })),
    fc.constant(
      smoothed ? { steps: [], loss: crossEntropy } : { steps: ["klDivergence"], loss: klDivergence as AnyLoss },
    ),
  );
  const plain: Composition = { steps: [], loss: crossEntropy };
  return fc.oneof({ weight: 2, arbitrary: fc.constant(plain) }, { weight: 1, arbitrary: others });
}

export const reductions: fc.Arbitrary<NamedChange> = fc.constantFrom(
  { name: "sum", change: forget(sum) },
  { name: "mean", change: forget(mean) },
  { name: "weightedMean", change: forget(weightedMean) },
);

const noChange: NamedChange = { name: "", change: (loss) => loss };

/** Far from Lambert's branch point, near which a float32 loss has half of its digits. */
const confidences = fc.oneof(
  fc.record({ lambda: slow(5, 20), tau: numeric(0.1, 1) }),
  fc.record({ lambda: slow(5, 20) }),
);

/** By classes and depth: to build the arbitrary takes some ten times as long as to draw from it. */
const built = new Map<string, fc.Arbitrary<Composition>>();

/** A random loss over `classes` classes, from every combinator in every order that has a meaning. */
export function compositions(classes: number, depth = 1): fc.Arbitrary<Composition> {
  const key = `${classes} ${depth}`;
  const known = built.get(key);
  if (known !== undefined) return known;
  const arbitrary = fc.oneof(
    { weight: 3, arbitrary: compositionsOf(classes, depth, true) },
    { weight: 1, arbitrary: compositionsOf(classes, depth, false) },
  );
  built.set(key, arbitrary);
  return arbitrary;
}

/** Compositions in which labels may be smoothed, or those in which a loss may read the weights of its targets. */
function compositionsOf(classes: number, depth: number, smoothed: boolean): fc.Arbitrary<Composition> {
  // At a share of 1 the gradient is the difference of two equal parts, and has no digits to compare.
  const smoothing = named(
    "labelSmoothing",
    fc
      .tuple(numeric(0, 0.9), fc.constantFrom<"uniform" | "t5x">("uniform", "t5x"))
      .map(([e, form]) => labelSmoothing(e, { form })),
  );
  const modulators = fc.oneof(
    named("focal", fc.record({ gamma: numeric(0, 3), alpha: numeric(0.1, 2) }).map(focal)),
    named("poly", numeric(0, 2).map(poly)),
    named("zLoss", numeric(0, 0.1).map(zLoss)),
    named("confidencePenalty", numeric(0, 0.3).map(confidencePenalty)),
    named(
      "logitAdjustment",
      numeric(0, 1).map((tau) => logitAdjustment(adjusted(classes), tau)),
    ),
    named("balancedSoftmax", fc.constant(balancedSoftmax(adjusted(classes)))),
    named("dft", fc.constant(dft)),
    named("mixCE", numeric(0, 1).map(mixCE)),
    named("mile", fc.record({ gamma: numeric(0, 2) }).map(mile)),
    named("superLoss", confidences.map(superLoss)),
    named(
      "superLoss of the batch's mean",
      slow(40, 80).map((lambda) => superLoss({ lambda, tau: "batchMean" })),
    ),
  );
  const cooled = named(
    "temperature",
    fc
      .oneof(
        numeric(0.5, 3),
        within(0.5, 3).map((t) => parameter(`temperature ${t}`, t)),
      )
      .map(temperature),
  );
  const capped = named("softcap", within(2, 30).map(softcap));
  const weighing = fc
    .tuple(attachments(classes), fc.array(laws(classes), { maxLength: 3 }))
    .map(([attachment, own]) => [attachment, ...own]);
  const taught = named(
    "add(distillation)",
    fc
      .tuple(fc.record({ temperature: numeric(0.5, 4) }).map(distillation), numeric(0.1, 2))
      .map(([loss, share]) => add(pipe(loss, scale(share)))),
  );
  const addition =
    depth === 0
      ? taught
      : compositionsOf(classes, depth - 1, smoothed).map((other) => ({
          name: `add(${other.steps.join(", ")})`,
          change: forget(add(other.loss as never)),
        }));
  const piece = fc.oneof(
    ...(smoothed ? [smoothing.map((x) => [x])] : []),
    weighing,
    modulators.map((x) => [x]),
    taught.map((x) => [x]),
    own.map((x) => [x]),
    anywhere(classes).map((x) => [x]),
    addition.map((x) => [x]),
  );
  const learned = named(
    "uncertainty",
    fc
      .tuple(within(-2, 2), fc.constantFrom<"regression" | "classification">("regression", "classification"))
      .map(([init, form]) => uncertainty(`uncertainty ${init}`, { init, form })),
  );
  const end = fc.oneof({ weight: 6, arbitrary: fc.constant(noChange) }, { weight: 1, arbitrary: learned });
  return fc
    .tuple(
      bases(classes, smoothed),
      fc.option(cooled),
      fc.option(capped),
      fc.array(piece, { maxLength: 4 }),
      fc.option(reductions),
      end,
      fc.array(anywhere(classes), { maxLength: 2 }),
    )
    .map(([base, cool, cap, pieces, reduction, last, after]) => {
      const before = [cool ?? noChange, cap ?? noChange, ...pieces.flat(), reduction ?? noChange];
      const changes = [...before, last, ...after].filter((x) => x !== noChange);
      const loss = changes.reduce<AnyLoss>((inner, { change }) => change(inner), base.loss);
      return { steps: [...base.steps, ...changes.map(({ name }) => name)], loss };
    });
}

function adjusted(classes: number): Frequencies {
  return fromCounts(Array.from({ length: classes }, (_, c) => 1 + ((c * 7) % 5)));
}

/** Any composition, with `perToken` in place of a reduction where all its terms are open. */
export function perTokenCompositions(classes: number): fc.Arbitrary<Composition> {
  return compositions(classes, 0)
    .filter(({ loss }) => loss.terms.every((term) => term.reduction === null))
    .map(({ steps, loss }) => ({ steps: [...steps, "perToken"], loss: forget(perToken)(loss) }));
}

/** Flat numbers of a batch, with its shape. */
export interface RandomBatch {
  readonly shape: readonly number[];
  readonly classes: number;
  readonly plain: PlainBatch;
}

export function nest<T>(values: readonly T[], shape: readonly number[]): unknown {
  if (shape.length === 0) return values[0];
  const [size, ...inner] = shape;
  const stride = inner.reduce((product, n) => product * n, 1);
  return Array.from({ length: size }, (_, i) => nest(values.slice(i * stride, (i + 1) * stride), inner));
}

/** What a batch gives for each row: numbers on a grid, and others that are on none, and differ from row to row. */
export function inputsOf(x: readonly number[], shape: readonly number[]): Record<string, unknown> {
  return {
    x: nest(x, shape),
    irrational: nest(
      x.map((each, row) => Math.fround(Math.PI * each + (Math.SQRT2 * row) / 1000)),
      shape,
    ),
  };
}

/** A batch of a random shape of rank 1 to 4, with labels, mask and sample weights. */
export function batches(
  classes: number,
  logit: fc.Arbitrary<number> = within(-8, 8),
  options: { readonly soft: boolean; readonly shapes?: fc.Arbitrary<number[]> } = { soft: false },
): fc.Arbitrary<RandomBatch> {
  const shapes = fc.oneof(
    { weight: 4, arbitrary: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }) },
    { weight: 1, arbitrary: fc.constantFrom([0], [2, 0], [0, 3]) },
  );
  return (options.shapes ?? shapes).chain((shape) => {
    const rows = shape.reduce((product, n) => product * n, 1);
    const each = <T>(entry: fc.Arbitrary<T>, length = rows): fc.Arbitrary<T[]> =>
      fc.array(entry, { minLength: length, maxLength: length });
    return fc
      .record({
        logits: each(logit.map(Math.fround), rows * classes),
        teacher: each(logit.map(Math.fround), rows * classes),
        x: each(within(0.1, 2).map(Math.fround)),
        labels: each(fc.nat({ max: classes - 1 })),
        soft: fc.option(each(fc.oneof(fc.constant(0), within(0, 1).map(Math.fround)), rows * classes)),
        mask: fc.option(each(fc.boolean())),
        sampleWeight: fc.option(each(fc.oneof(fc.constant(0), within(0.1, 4).map(Math.fround)))),
        step: fc.integer({ min: 0, max: 30 }),
      })
      .map(({ logits, teacher, x, labels, soft, mask, sampleWeight, step }) => ({
        shape,
        classes,
        plain: {
          logits: nest(logits, [...shape, classes]),
          teacher: nest(teacher, [...shape, classes]),
          labels: soft === null || !options.soft ? nest(labels, shape) : nest(soft, [...shape, classes]),
          ...(mask === null ? {} : { mask: nest(mask, shape) }),
          ...(sampleWeight === null ? {} : { sampleWeight: nest(sampleWeight, shape) }),
          inputs: inputsOf(x, shape),
          step,
        } as PlainBatch,
      }));
  });
}

/** A composition and a batch for it. */
export interface Case {
  readonly composition: Composition;
  readonly batch: RandomBatch;
}

export const casesOfLogits: fc.Arbitrary<Case> = fc
  .integer({ min: 2, max: 7 })
  .chain((classes) =>
    fc.record({ composition: compositions(classes), batch: batches(classes, within(-8, 8), { soft: true }) }),
  );

/** One in eight with a batch of probabilities. */
export const cases: fc.Arbitrary<Case> = fc
  .tuple(casesOfLogits, fc.integer({ min: 1, max: 8 }))
  .map(([one, n]) => (n === 1 ? withProbabilities(one) : one));

function withProbabilities({ composition: { steps, loss }, batch }: Case): Case {
  const logits = softmaxOfRows(batch.plain.logits, batch.shape.length) as PlainBatch["logits"];
  return {
    composition: { steps: [...steps, "fromProbabilities"], loss: forget(fromProbabilities)(loss) },
    batch: { ...batch, plain: { ...batch.plain, logits } },
  };
}

function softmaxOfRows(logits: unknown, rank: number): unknown {
  if (rank > 0) return (logits as unknown[]).map((inner) => softmaxOfRows(inner, rank - 1));
  const exponentials = (logits as number[]).map(Math.exp);
  const total = exponentials.reduce((a, b) => a + b, 0);
  // They sum to 0.7, so that their logsumexp is no rounding error.
  return exponentials.map((x) => Math.fround((0.7 * x) / total));
}

/** Losses that keep one number a token. */
export const perTokenCases: fc.Arbitrary<Case> = fc
  .integer({ min: 2, max: 6 })
  .chain((classes) => fc.record({ composition: perTokenCompositions(classes), batch: batches(classes) }));

const extremeLogits = fc.oneof(
  fc.double({ min: -1e4, max: 1e4, noNaN: true }),
  fc.constantFrom(0, 1e4, -1e4, 30, Number.NEGATIVE_INFINITY),
);

/** Logits from -1e4 to 1e4, entries of -infinity, equal logits and confident rows. */
export const extremeCases: fc.Arbitrary<Case> = fc.integer({ min: 2, max: 6 }).chain((classes) =>
  fc.record({
    composition: fc.constantFrom<Composition>(
      { steps: ["sum"], loss: pipe(crossEntropy, sum) },
      { steps: ["labelSmoothing", "sum"], loss: pipe(crossEntropy, labelSmoothing(0.1), sum) },
    ),
    batch: batches(classes, extremeLogits).filter(({ plain: { logits } }) => hasFiniteRows(logits, classes)),
  }),
);

/** A row of nothing but -infinity has no softmax. */
function hasFiniteRows(logits: unknown, classes: number): boolean {
  const values = flat(logits);
  return Array.from({ length: values.length / classes }, (_, row) =>
    values.slice(row * classes, (row + 1) * classes).some(Number.isFinite),
  ).every((finite) => finite);
}
