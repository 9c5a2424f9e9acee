/**
 * A plan says what a compiled loss computes: which statistics of the logits, which tables, and for each term the narrow
 * expressions of its value, of its share of the denominator and of its derivatives. It is plain data.
 */
import { type ColumnNeeds, refuseSoftLabels } from "../loss/batch.ts";
import { type LabelFact, type LabelReading, readsLabelsOfOthers } from "../loss/candidates.ts";
import { differentiate } from "../loss/differentiate.ts";
import { add, atom, atomsOf, constant, isConstant, multiply, select, subtract, weigh } from "../loss/expression.ts";
import type { Field } from "../loss/field.ts";
import {
  columnNeeds,
  fieldsOf,
  hasTeacher,
  inputsOf,
  isScheduledLoss,
  labelReadingOf,
  parametersOf,
} from "../loss/inventory.ts";
import {
  type AnyLoss,
  type ClassAtom,
  type ClassExpression,
  checkLoss,
  finalTerms,
  inputOf,
  type Reduction,
} from "../loss/loss.ts";
import type { ParameterAtom } from "../loss/parameter.ts";
import { termNames } from "../loss/show.ts";
import { type ColumnPlan, planColumns } from "./columns.ts";
import { type By, lower } from "./lower.ts";
import {
  type CandidateAtom,
  type CandidateExpression,
  distinct,
  keyOf,
  type Narrow,
  type NarrowAtom,
  narrowAtomsOf,
  type ReadView,
  rowWeight,
  type Statistic,
  type Table,
  valid,
} from "./narrow.ts";

/** What a batch's targets are: one class a row, a weight for each class, or values. */
export type Targets = "integer" | "soft" | "values";

export interface PlannedTerm {
  /** As its author named it; null for a term without a name. */
  readonly name: string | null;
  readonly reduction: Reduction;
  readonly by: By;
  /** The row's value, before its weight. */
  readonly value: Narrow;
  /** The row's share of the denominator of a weighted mean, before its weight. */
  readonly weight: Narrow;
  /** Value and weight as a function of the class. */
  readonly classes: { readonly value: ClassExpression; readonly weight: ClassExpression };
}

/** The gradient of soft labels: Σ over the parts of a number a row times a number a class. */
export interface LabelsParts {
  readonly rows: readonly Narrow[];
  readonly classes: readonly ClassExpression[];
}

/** ∂loss / ∂statistic, for each statistic where it is not 0. */
export interface Cotangents {
  /** The statistics' keys. */
  readonly statistics: readonly string[];
  readonly expressions: readonly Narrow[];
}

export interface Plan {
  readonly targets: Targets;
  readonly terms: readonly PlannedTerm[];
  /** What logs call each term. */
  readonly termNames: readonly string[];
  /** What each term adds up over the rows. */
  readonly numerators: readonly Narrow[];
  /** What each numerator is divided by, added up over the rows; 0 for a term that is a sum. */
  readonly denominators: readonly Narrow[];
  /** The loss of each row. */
  readonly rowLoss: Narrow;
  readonly cotangents: Cotangents;
  /** ∂loss / ∂parameter by its name, to be added up over the rows; what comes through views is not in it. */
  readonly parameterCotangents: ReadonlyMap<string, Narrow>;
  /** ∂loss / ∂sampleWeight. */
  readonly sampleWeightCotangent: Narrow;
  readonly labelsParts: LabelsParts;
  /** What a loss over values does with the columns of a row. */
  readonly columns: ColumnPlan;
  /** What is asked of the columns of a row of values. */
  readonly columnNeeds: ColumnNeeds;
  readonly perToken: boolean;
  /** The views of the logits that are read, by key. */
  readonly views: ReadonlyMap<string, ReadView>;
  /** The statistics that the terms use, by key. */
  readonly statistics: ReadonlyMap<string, Statistic>;
  /** The tables that are looked up at the label, by key. */
  readonly lookups: ReadonlyMap<string, Table>;
  /** The tables whose sums are used, by key. */
  readonly totals: ReadonlyMap<string, Table>;
  /** The tables that are needed as a whole on the device, by key. */
  readonly wholeTables: ReadonlyMap<string, Table>;
  readonly fields: readonly Field[];
  readonly parameters: ReadonlyMap<string, ParameterAtom>;
  readonly ignored: readonly number[];
  /** Whether a batch's logits are probabilities. */
  readonly probabilities: boolean;
  readonly scheduled: boolean;
  /** Whether a batch needs a teacher's logits. */
  readonly teacher: boolean;
  /** The ids beside the label that are read. */
  readonly beside: LabelReading;
  /** What labels alone tell of a row, by key. */
  readonly labelFacts: ReadonlyMap<string, LabelFact>;
  /** The names of the inputs that a batch needs. */
  readonly inputs: readonly string[];
  /** Whether a row's value depends on other rows. */
  readonly aggregates: boolean;
  /** How a row's value depends on all rows of the batch, in words; empty where it does not. */
  readonly couplings: readonly string[];
}

/**
 * Plans a loss, one over logits for labels that are integers or soft. A term without a reduction gets the weighted mean.
 */
export function plan(loss: AnyLoss, labels: "integer" | "soft" = "integer"): Plan {
  checkLoss(loss, "compile");
  const targets: Targets = inputOf(loss) === "values" ? "values" : labels;
  const beside = labelReadingOf(loss);
  if (targets === "soft" && readsLabelsOfOthers(beside)) refuseSoftLabels();
  const lowered = finalTerms(loss).map((term) => {
    const { name, reduction, value, weight } = term;
    const by: By = typeof term.targets === "object" ? term.targets : targets === "soft" ? "targets" : "label";
    return { name, reduction, value: lower(value, by), weight: lower(weight, by), by, classes: { value, weight } };
  });
  const expressions = lowered.flatMap(({ value, weight }) => [value, weight]);
  const statistics = distinct(expressions, (a) => (a.kind === "statistic" ? a.statistic : null));
  const aggregates = expressions.flatMap(narrowAtomsOf).filter((a) => a.kind === "aggregate");
  const parameters = parametersOf(loss);
  const cotangents = throughCandidates(
    cotangentsOf(lowered, statistics.keys(), (a) =>
      a.kind === "statistic" && isOfModel(a.statistic) ? keyOf(a.statistic) : null,
    ),
    statistics.values(),
  );
  return {
    targets,
    terms: lowered,
    termNames: termNames(loss),
    numerators: lowered.map(({ value }) => weigh(rowWeight, value)),
    denominators: lowered.map(denominatorOf),
    rowLoss: sum(lowered.map(({ value }) => weigh(rowWeight, value))),
    cotangents: { statistics: [...cotangents.keys()], expressions: [...cotangents.values()] },
    parameterCotangents: cotangentsOf(lowered, parameters.keys(), (a) => (a.kind === "parameter" ? a.name : null)),
    sampleWeightCotangent: weigh(
      valid,
      sum(
        lowered.map(({ value, weight }, i) =>
          subtract(multiply(reached("reachedNumerator", i), value), multiply(reached("reachedDenominator", i), weight)),
        ),
      ),
    ),
    labelsParts: labelsPartsOf(lowered),
    columns: planColumns(statistics.values(), parameters.keys(), new Set(cotangents.keys())),
    perToken: lowered.some((term) => term.reduction === "perToken"),
    views: viewsOf(statistics.values()),
    statistics,
    lookups: distinct(expressions, (a) => (a.kind === "lookup" && a.at === null ? a.table : null)),
    totals: distinct(expressions, (a) => (a.kind === "total" ? a.table : null)),
    wholeTables: wholeTablesOf(expressions, statistics.values(), targets === "soft" ? fieldsOf(loss) : []),
    fields: fieldsOf(loss),
    parameters,
    ignored: loss.ignored,
    probabilities: loss.probabilities,
    scheduled: isScheduledLoss(loss),
    teacher: hasTeacher(loss),
    beside,
    labelFacts: distinct(expressions, (a) => (a.kind === "isCandidate" || a.kind === "inRepeat" ? a : null)),
    inputs: inputsOf(loss),
    columnNeeds: columnNeeds(loss),
    aggregates: aggregates.some(({ over }) => over !== "row"),
    couplings: [
      ...(aggregates.some(({ over }) => over === "batch") ? ["a mean over the batch"] : []),
      ...(aggregates.some(({ over }) => typeof over === "object") ? ["a choice of the batch's highest rows"] : []),
    ],
  };
}

/** Whether a statistic looks at the model's logits, or its predictions: a teacher's logits are constants. */
function isOfModel(s: Statistic): boolean {
  if (s.kind === "columns") return true;
  if (s.kind === "candidates") return s.view !== null;
  if (s.kind === "classwise") return atomsOf(s.body).some((a) => "view" in a && a.view.of === "logits");
  return "view" in s && s.view.of === "logits";
}

/** The views that statistics read, those inside class-wise sums too; a teacher's first, since they weigh others. */
function viewsOf(statistics: Iterable<Statistic>): ReadonlyMap<string, ReadView> {
  const views = [...statistics].flatMap((s): readonly ReadView[] => {
    const weighting = "weighting" in s && typeof s.weighting === "object" ? [s.weighting] : [];
    if (s.kind === "classwise") return [...weighting, ...atomsOf(s.body).flatMap((a) => ("view" in a ? [a.view] : []))];
    return "view" in s && s.view !== null ? [...weighting, s.view] : weighting;
  });
  const ordered = [...views.filter(({ of }) => of === "teacher"), ...views.filter(({ of }) => of === "logits")];
  return new Map(ordered.map((view) => [keyOf(view), view]));
}

/**
 * The tables of dot products and sums and those that are looked up at a pivot, the fields in sums over classes or candidates, and
 * `fields`, which the labels' gradient reads.
 */
function wholeTablesOf(
  expressions: readonly Narrow[],
  statistics: Iterable<Statistic>,
  fields: readonly Field[],
): ReadonlyMap<string, Table> {
  const ofField = (field: Field): Table => atom({ kind: "weight", field });
  const atPivots = distinct(expressions, (a) => (a.kind === "lookup" && a.at !== null ? a.table : null)).values();
  const tables = [...statistics].flatMap((s): readonly Table[] => {
    if (s.kind === "dot" || s.kind === "crossEntropy" || s.kind === "targetSum")
      return s.table === null ? [] : [s.table];
    if (s.kind !== "classwise" && s.kind !== "candidates") return [];
    const atoms: readonly (ClassAtom | CandidateAtom)[] = atomsOf<ClassAtom | CandidateAtom>(s.body);
    return atoms.flatMap((a) => (a.kind === "weight" && a.field !== null ? [ofField(a.field)] : []));
  });
  return new Map([...tables, ...atPivots, ...fields.map(ofField)].map((table) => [keyOf(table), table]));
}

function denominatorOf({ reduction, weight }: PlannedTerm): Narrow {
  switch (reduction) {
    case "sum":
    case "perToken":
      return constant(0);
    case "mean":
      return valid;
    case "weightedMean":
      return weigh(rowWeight, weight);
  }
}

// ----------------------------------------------------------------------------------------------------- derivatives

function reached(kind: "reachedNumerator" | "reachedDenominator", term: number): Narrow {
  return atom({ kind, term });
}

function sum(parts: readonly Narrow[]): Narrow {
  return parts.reduce((total, part) => add(total, part), constant(0));
}

/** What reaches an expression at each row: of a term's value, or of the body of an aggregate in one. */
interface Reached {
  readonly e: Narrow;
  /** Before the row's weight. */
  readonly g: Narrow;
  readonly weight: Narrow;
  /** The body as a function of the class, for an aggregate. */
  readonly classes: ClassExpression | null;
  readonly by: By;
}

/** The values of the terms and, from them, the bodies of the aggregates in them, each with what reaches it. */
function reachedExpressions(terms: readonly PlannedTerm[]): readonly Reached[] {
  const visit = (of: Reached): readonly Reached[] => {
    const aggregates = atomsOf(of.e).flatMap((a) => (a.kind === "aggregate" ? [a] : []));
    const inner = aggregates.flatMap((a) => {
      const slope = differentiate(of.e, (b) => b === a);
      if (isConstant(slope, 0)) return [];
      // The map from rows to what they share is its own transpose.
      const body = weigh(of.weight, multiply(of.g, slope));
      const g: Narrow = atom({ kind: "aggregate", over: a.over, body, classes: constant(0) });
      return visit({ e: a.body, g, weight: valid, classes: a.classes, by: of.by });
    });
    return [of, ...inner];
  };
  return terms.flatMap(({ value, by }, i) =>
    visit({ e: value, g: reached("reachedNumerator", i), weight: rowWeight, classes: null, by }),
  );
}

/** The cotangents of the variables that `nameOf` names, by name. */
function cotangentsOf(
  terms: readonly PlannedTerm[],
  names: Iterable<string>,
  nameOf: (a: NarrowAtom) => string | null,
): ReadonlyMap<string, Narrow> {
  const all = [...names];
  const total = new Map<string, Narrow>();
  for (const { e, g, weight } of reachedExpressions(terms)) {
    for (const [name, slope] of derivatives(e, all, nameOf)) {
      total.set(name, add(total.get(name) ?? constant(0), weigh(weight, multiply(g, slope))));
    }
  }
  return total;
}

/**
 * What reaches a sum over candidates reaches s too, by nll = s − (z − m): times the sum of the slopes. What reaches the candidates'
 * own logits is added after the kernel's pass.
 */
function throughCandidates(
  cotangents: ReadonlyMap<string, Narrow>,
  statistics: Iterable<Statistic>,
): ReadonlyMap<string, Narrow> {
  const total = new Map(cotangents);
  for (const s of statistics) {
    const g = cotangents.get(keyOf(s));
    if (s.kind !== "candidates" || s.view === null || g === undefined) continue;
    const slope: Narrow = atom({ kind: "statistic", statistic: { ...s, body: slopeForNll(s.body) } });
    const key = keyOf({ kind: "s", view: s.view });
    total.set(key, add(total.get(key) ?? constant(0), multiply(g, slope)));
  }
  return total;
}

const slopes = new WeakMap<CandidateExpression, CandidateExpression>();

/** ∂body / ∂nll, one expression for one body, so that its loop is made once. */
export function slopeForNll(body: CandidateExpression): CandidateExpression {
  const known = slopes.get(body) ?? differentiate(body, (a) => a.kind === "nll");
  slopes.set(body, known);
  return known;
}

function labelsPartsOf(terms: readonly PlannedTerm[]): LabelsParts {
  const ofTerms = terms.flatMap(({ by, classes }, i) => {
    if (by !== "targets") return [];
    const denominator = subtract(constant(0), reached("reachedDenominator", i));
    return [
      { row: weigh(rowWeight, reached("reachedNumerator", i)), classes: slopeForTargets(classes.value) },
      { row: weigh(rowWeight, denominator), classes: classes.weight },
    ];
  });
  const ofAggregates = reachedExpressions(terms).flatMap(({ g, weight, classes, by }) =>
    classes === null || by !== "targets" ? [] : [{ row: weigh(weight, g), classes: slopeForTargets(classes) }],
  );
  const parts = [...ofTerms, ...ofAggregates];
  return { rows: parts.map(({ row }) => row), classes: parts.map(({ classes }) => classes) };
}

/**
 * ∂(Σ_k q_k e_k) / ∂q_c. What reads the targets themselves may have an infinite slope at q_c = 0, as q log q has: a class that is
 * no target stays none.
 */
function slopeForTargets(e: ClassExpression): ClassExpression {
  const slope = differentiate(e, (a) => a.kind === "target");
  if (isConstant(slope, 0)) return e;
  const target: ClassExpression = atom({ kind: "target" });
  return select(constant(0), target, add(e, multiply(target, slope)), constant(0));
}

/** The derivatives that are not 0, by the name of the variable. */
function derivatives(
  value: Narrow,
  names: Iterable<string>,
  nameOf: (a: NarrowAtom) => string | null,
): ReadonlyMap<string, Narrow> {
  const all = [...names].map((name) => [name, differentiate(value, (a) => nameOf(a) === name)] as const);
  return new Map(all.filter(([, derivative]) => !isConstant(derivative, 0)));
}
