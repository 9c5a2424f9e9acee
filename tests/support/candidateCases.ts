/** Random losses that read ids beside the label, and batches of sequences for them. */
import fc from "fast-check";
import {
  type AnyLoss,
  add,
  classWeights,
  crossEntropy,
  dft,
  distillation,
  focal,
  fromCounts,
  ignoreIndex,
  labelSmoothing,
  language,
  logitAdjustment,
  mixCE,
  perToken,
  pipe,
  powerLaw,
  scale,
  scaleGrad,
  sequenceUnlikelihood,
  softcap,
  temperature,
  unlikelihood,
  zLoss,
} from "lossmith";
import {
  batches,
  type Case,
  type Composition,
  forget,
  type NamedChange,
  named,
  nest,
  numeric,
  own,
  type RandomBatch,
  reductions,
  within,
} from "./arbitraries.ts";

const source = fc.constantFrom<language.Candidates>("earlierLabels", "given");

const penalties = named(
  "unlikelihood",
  fc.record({ weight: numeric(0, 2), clamp: fc.constantFrom(0, 1e-5, 0.3), candidates: source }).map(unlikelihood),
);

/** A penalty of one's own, over p and how many candidates there are. */
const ownPenalty = named(
  "candidates of one's own",
  source.map((of) =>
    language.modulate("candidates", (loss) => {
      const { constant, divide, multiply, overCandidates, probability } = language;
      const count = language.add(constant(1), overCandidates(constant(1), of));
      return language.add(loss, divide(overCandidates(multiply(probability, probability), of), count));
    }),
  ),
);

function changes(classes: number, smoothed: boolean): fc.Arbitrary<readonly NamedChange[]> {
  const weights = fc.array(fc.oneof(fc.constant(0), within(0.1, 5)), { minLength: classes, maxLength: classes });
  const one = fc.oneof<fc.WeightedArbitrary<NamedChange>[]>(
    { weight: 3, arbitrary: penalties },
    { weight: 2, arbitrary: ownPenalty },
    { weight: 1, arbitrary: named("focal", fc.record({ gamma: numeric(0, 3) }).map(focal)) },
    { weight: 1, arbitrary: named("zLoss", numeric(0, 0.1).map(zLoss)) },
    { weight: 1, arbitrary: named("mixCE", numeric(0, 1).map(mixCE)) },
    { weight: 1, arbitrary: named("dft", fc.constant(dft)) },
    { weight: 1, arbitrary: named("scale", numeric(0.1, 3).map(scale)) },
    { weight: 1, arbitrary: named("ignoreIndex", fc.constantFrom(-100, 0, classes - 1).map(ignoreIndex)) },
    { weight: 1, arbitrary: own },
    {
      weight: 1,
      arbitrary: named(
        "add(distillation)",
        fc.record({ temperature: numeric(0.5, 4) }).map((options) => add(distillation(options))),
      ),
    },
    {
      weight: smoothed ? 2 : 0,
      arbitrary: named(
        "labelSmoothing",
        numeric(0, 0.9).map((e) => labelSmoothing(e)),
      ),
    },
  );
  const weighing = fc
    .tuple(
      named(
        "classWeights",
        weights.map((w) => classWeights(w)),
      ),
      named(
        "powerLaw",
        numeric(0, 1).map((a) => powerLaw(a, { epsilon: 1e-3 })),
      ),
    )
    .map((both): readonly NamedChange[] => both);
  return fc
    .array(
      fc.oneof(
        one.map((x) => [x]),
        weighing,
      ),
      { maxLength: 3 },
    )
    .map((lists) => lists.flat());
}

function views(classes: number): fc.Arbitrary<readonly NamedChange[]> {
  const counts = fromCounts(Array.from({ length: classes }, (_, c) => 1 + ((c * 7) % 5)));
  const some = fc.tuple(
    fc.option(named("temperature", numeric(0.5, 3).map(temperature))),
    fc.option(named("softcap", within(2, 30).map(softcap))),
    fc.option(
      named(
        "logitAdjustment",
        numeric(0, 1).map((tau) => logitAdjustment(counts, tau)),
      ),
    ),
  );
  return some.map((found) => found.filter((x) => x !== null));
}

function bases(): fc.Arbitrary<Composition & { readonly smoothed: boolean }> {
  const sequences = fc
    .record({ n: fc.integer({ min: 1, max: 3 }), clamp: fc.constantFrom(1e-20, 0.2) })
    .map((options) => ({
      steps: [`sequenceUnlikelihood(${options.n})`],
      loss: sequenceUnlikelihood(options),
      smoothed: false,
    }));
  const scaled = fc
    .record({ gamma: fc.oneof(numeric(0.1, 1), fc.constant(1)), seen: source })
    .map((options) => ({ steps: ["scaleGrad"], loss: scaleGrad(options), smoothed: false }));
  const plain = fc
    .tuple(penalties)
    .map(([{ name, change }]) => ({ steps: [name], loss: change(crossEntropy), smoothed: true }));
  const sum = fc
    .tuple(sequences, scaled)
    .map(([a, b]) => ({ steps: [`${a.steps} + ${b.steps}`], loss: pipe(b.loss, add(a.loss)), smoothed: false }));
  return fc.oneof<fc.Arbitrary<Composition & { readonly smoothed: boolean }>[]>(sequences, scaled, plain, plain, sum);
}

function compositions(classes: number): fc.Arbitrary<Composition> {
  return bases().chain((base) =>
    fc
      .tuple(
        views(classes),
        changes(classes, base.smoothed),
        fc.option(fc.oneof(reductions, fc.constant({ name: "perToken", change: forget(perToken) }))),
      )
      .map(([viewed, pieces, reduction]) => {
        const all = [...viewed, ...pieces, ...(reduction === null ? [] : [reduction])];
        const loss = all.reduce<AnyLoss>((inner, { change }) => change(inner), base.loss);
        return { steps: [...base.steps, ...all.map(({ name }) => name)], loss };
      }),
  );
}

/** Sequences of up to 8, so that there are labels that come again. */
const shapes = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom<number[]>([], [0], [2, 0], [0, 3]) },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 8 }).map((length) => [length]) },
  { weight: 4, arbitrary: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 8 })).map((s) => [...s]) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 4 }).map((length) => [2, 1, length]) },
);

function withCandidates(batch: RandomBatch): fc.Arbitrary<RandomBatch> {
  const { shape, classes, plain } = batch;
  const rows = shape.reduce((product, n) => product * n, 1);
  return fc
    .integer({ min: 0, max: 5 })
    .chain((each) =>
      fc
        .array(fc.integer({ min: -1, max: classes - 1 }), { minLength: rows * each, maxLength: rows * each })
        .map((ids) => ({ ...batch, plain: { ...plain, candidates: nest(ids, [...shape, each]) as number[] } })),
    );
}

/** Logits of which some make a row sure of one class, be it the label or a candidate. */
const logits = fc.oneof(
  { weight: 6, arbitrary: within(-8, 8) },
  { weight: 1, arbitrary: fc.constantFrom(0, 25, 60, Number.NEGATIVE_INFINITY) },
);

const noSure = within(-8, 8);

function casesOf(logit: fc.Arbitrary<number>): fc.Arbitrary<Case> {
  return fc.integer({ min: 1, max: 6 }).chain((classes) =>
    fc.record({
      composition: compositions(classes),
      batch: batches(classes, logit, { soft: false, shapes }).chain(withCandidates),
    }),
  );
}

export const candidateCases: fc.Arbitrary<Case> = casesOf(noSure);

/** With sure rows and entries without probability, of losses that are finite there. */
export const sureCandidateCases: fc.Arbitrary<Case> = fc.integer({ min: 2, max: 6 }).chain((classes) =>
  fc.record({
    composition: fc
      .oneof(
        fc.record({ clamp: fc.constantFrom(1e-5, 1e-20), candidates: source }).map((options) => ({
          steps: [`unlikelihood ${options.candidates}`],
          loss: pipe(sequenceUnlikelihood({ n: 1 }), unlikelihood(options)),
        })),
        fc
          .record({ gamma: fc.constantFrom(0.2, 0.5, 0.8), seen: source })
          .map((options) => ({ steps: [`scaleGrad ${options.gamma} ${options.seen}`], loss: scaleGrad(options) })),
      )
      .map(({ steps, loss }): Composition => ({ steps, loss: perToken(loss) })),
    batch: batches(classes, logits, { soft: false, shapes })
      .chain(withCandidates)
      .filter(({ plain }) => hasSoftmax(plain.logits)),
  }),
);

/** Whether each row has an entry above −∞. */
function hasSoftmax(rows: unknown): boolean {
  if (!Array.isArray(rows)) return true;
  return typeof rows[0] === "number" ? rows.some(Number.isFinite) : rows.every(hasSoftmax);
}
