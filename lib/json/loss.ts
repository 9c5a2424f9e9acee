/** Losses: their terms and what holds for all of them. */
import { fromProbabilities } from "../library/fromProbabilities.ts";
import { ignoreIndex } from "../library/ignoreIndex.ts";
import type { Candidates } from "../loss/candidates.ts";
import { refuseValues } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { atom, type Expression } from "../loss/expression.ts";
import type { Field } from "../loss/field.ts";
import { parametersOf } from "../loss/inventory.ts";
import { input, inRepeat } from "../loss/language.ts";
import {
  type AggregateAtom,
  type AnyLoss,
  addLosses,
  type ClassAtom,
  type ClassExpression,
  type ColumnAggregate,
  type ColumnAtom,
  type ColumnExpression,
  type ColumnParts,
  checkFocus,
  checkReads,
  checkTermName,
  emptyLoss,
  finalTerms,
  highestRows,
  overAllClasses,
  overTheseCandidates,
  type Reduction,
  type Term,
} from "../loss/loss.ts";
import type { Schedule } from "../loss/schedule.ts";
import { overColumns, partOf } from "../loss/values.ts";
import { checkWholeRow, type WholeRow } from "../loss/wholeRow.ts";
import {
  at,
  type Codec,
  checked,
  flag,
  lazily,
  list,
  nullable,
  number,
  object,
  omittable,
  oneOf,
  optional,
  type Properties,
  shared,
  tagged,
  text,
} from "./codec.ts";
import { expressions } from "./expressions.ts";
import { field } from "./field.ts";
import { parameterKinds, parameterMakers, schedule, stepKinds } from "./scalars.ts";
import { ownView, view } from "./view.ts";

// ----------------------------------------------------------------------------------------------------- expressions

const wholeRow: Codec<WholeRow> = checked(
  tagged<WholeRow>({ entmax: { alpha: schedule }, topEntropy: { k: number } }),
  checkWholeRow,
);

const columnAggregate = oneOf<ColumnAggregate>({ sum: true, mean: true, max: true });
/** Of both kinds of aggregates: a share is of the highest rows alone. */
const aggregate = {
  over: oneOf<AggregateAtom["over"]>({ row: true, sequence: true, batch: true, highest: true }),
  share: omittable(schedule),
  body: lazily(() => classExpression),
} satisfies Properties<Required<SharedOrHighest>>;

/** An aggregate as it stands in a document. */
interface SharedOrHighest {
  readonly kind: "aggregate";
  readonly over: AggregateAtom["over"];
  readonly share?: Schedule;
  readonly body: ClassExpression;
}

function aggregateOf({ over, share, body }: SharedOrHighest): ClassExpression {
  if (over === "highest" && share !== undefined) return highestRows(share, body);
  if (over !== "highest" && share === undefined) return atom({ kind: "aggregate", over, body });
  throw new LossError(
    "aggregate",
    share === undefined ? "the highest rows have no share" : `rows over ${over} have a share`,
    'Give a share beside "highest", and there alone',
  );
}

const classExpression: Codec<ClassExpression> = expressions<ClassAtom>(
  () => ({
    ...stepKinds,
    ...parameterKinds,
    nll: { view: ownView },
    logOdds: { view: ownView },
    logsumexp: { view: ownView },
    entropy: { view: ownView },
    wholeRow: { of: wholeRow, view: ownView },
    weight: { field: optional<Field | null>(nullable(field), null) },
    classSum: { body: classExpression },
    candidateSum: { candidates: source, body: classExpression },
    isCandidate: { candidates: source },
    inRepeat: { length: number },
    vocabularySize: {},
    target: {},
    input: { name: text },
    position: {},
    overColumns: { aggregate: columnAggregate, body: columnExpression },
    aggregate: aggregate as unknown as Properties<AggregateAtom>,
  }),
  {
    ...parameterMakers,
    input: ({ name }) => input(name) as Expression<ClassAtom>,
    classSum: ({ body }) => overAllClasses(body, "classSum"),
    candidateSum: ({ body, candidates }) => overTheseCandidates(body, candidates, "candidateSum"),
    inRepeat: ({ length }) => inRepeat(length),
    aggregate: (read) => aggregateOf(read as SharedOrHighest),
    overColumns: ({ aggregate, body }) => overColumns(aggregate, body) as Expression<ClassAtom>,
  },
);

/** Where candidates come from. */
const source = oneOf<Candidates>({ earlierLabels: true, given: true });

/** The parts of a row are one object in all its expressions. */
const columnParts: Codec<ColumnParts> = shared(
  object<ColumnParts>({ names: list(text), size: oneOf({ "one column": true, any: true }) }),
);

const columnExpression: Codec<ColumnExpression> = expressions<ColumnAtom>(
  () => ({
    ...stepKinds,
    ...parameterKinds,
    prediction: {},
    target: {},
    input: { name: text },
    position: {},
    part: { index: number, parts: columnParts },
    overColumns: { aggregate: columnAggregate, body: columnExpression },
  }),
  {
    ...parameterMakers,
    input: ({ name }) => input(name) as ColumnExpression,
    part: (part) => partOf(part),
    overColumns: ({ aggregate, body }) => overColumns(aggregate, body) as ColumnExpression,
  },
);

// ----------------------------------------------------------------------------------------------------------- terms

const given = oneOf<Extract<Term["targets"], string>>({ labels: true, values: true });

const teacher: Codec<Exclude<Term["targets"], string>> = checked(view, (targets) => {
  if (targets.of === "teacher") return targets;
  throw new LossError(
    "targets",
    "it is a view of the model's own logits",
    'Give "labels", "values" or a view of "teacher"',
  );
});

const targets: Codec<Term["targets"]> = {
  write: (value, writer, path) =>
    typeof value === "string" ? given.write(value, writer, path) : teacher.write(value, writer, path),
  read: (json, reader, path) =>
    typeof json === "string" ? given.read(json, reader, path) : teacher.read(json, reader, path),
};

const termName = checked(text, (name) => {
  checkTermName(name, "name");
  return name;
});

const reduction = oneOf<Reduction>({ sum: true, mean: true, weightedMean: true, perToken: true });

const term: Codec<Term> = object<Term>({
  name: optional<string | null>(nullable(termName), null),
  targets,
  value: classExpression,
  weight: classExpression,
  reduction: nullable(reduction),
});

// ------------------------------------------------------------------------------------------------------------ loss

type Data = Omit<AnyLoss, "phantom">;

const data: Codec<Data> = object<Data>({
  terms: list(term),
  focus: nullable(field),
  ignored: list(number),
  probabilities: flag,
});

export const loss: Codec<AnyLoss> = {
  write: (value, writer, path) => data.write(check(value, path), writer, path),
  read: (json, reader, path) => composed(data.read(json, reader, path), path),
};

/** The loss of these parts, put together by the combinators that refuse what has no meaning. */
function composed({ terms, focus, ignored, probabilities }: Data, path: string): AnyLoss {
  const sum = terms.reduce<AnyLoss>((before, next, i) => {
    const one = { ...emptyLoss, terms: [next] };
    return at(`${path}.terms[${i}]`, () => addLosses(before, checkReads<AnyLoss>(one, "value")));
  }, emptyLoss);
  const weighted: AnyLoss = { ...sum, focus };
  if (focus !== null) at(`${path}.focus`, () => refuseValues(weighted, "focus"));
  const without = ignored.reduce<AnyLoss>(
    (before, label, i) => at(`${path}.ignored[${i}]`, () => ignoreIndex(label)(before as never)),
    weighted,
  );
  const whole = probabilities ? at(`${path}.probabilities`, () => fromProbabilities(without as never)) : without;
  return check(whole, path);
}

/** `whole`, or a LossError where no batch would give it a value. */
function check(whole: AnyLoss, path: string): AnyLoss {
  return at(path, () => {
    checkFocus(whole, "focus");
    // The field in focus has no part in these.
    const unfilled = { ...whole, focus: null };
    parametersOf(unfilled);
    finalTerms(unfilled);
    return whole;
  });
}
