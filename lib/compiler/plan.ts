/**
 * A plan says what a compiled loss computes: which statistics of the logits, which tables, and for each term the narrow
 * expressions of its value, of its share of the denominator and of its derivatives. It is plain data.
 */
import { differentiate } from "../loss/differentiate.ts";
import { atom, atomsOf } from "../loss/expression.ts";
import type { Field } from "../loss/field.ts";
import { fieldsOf, hasTeacher, inputsOf, isScheduledLoss, parametersOf } from "../loss/inventory.ts";
import { type AnyLoss, type ClassExpression, checkLoss, finalTerms, type Reduction } from "../loss/loss.ts";
import type { ParameterAtom } from "../loss/parameter.ts";
import type { View } from "../loss/view.ts";
import { type By, lower } from "./lower.ts";
import {
  distinct,
  keyOf,
  type Narrow,
  type NarrowAggregate,
  type NarrowAtom,
  narrowAtomsOf,
  type Statistic,
  type Table,
} from "./narrow.ts";

/** What a batch's labels are: one class a row, or a weight for each class. */
export type Targets = "integer" | "soft";

export interface PlannedTerm {
  readonly reduction: Reduction;
  readonly by: By;
  /** The row's share of the numerator, before the sample weight. */
  readonly value: Narrow;
  /** The row's share of the denominator of a weighted mean, before the sample weight. */
  readonly weight: Narrow;
  /** Value and weight as a function of the class. */
  readonly classes: { readonly value: ClassExpression; readonly weight: ClassExpression };
  readonly slopes: Slopes;
}

/** The derivatives of a narrow expression that are not 0. */
export interface Slopes {
  /** For each statistic, by key. */
  readonly statistics: ReadonlyMap<string, Narrow>;
  /** For each trainable parameter, by name. */
  readonly parameters: ReadonlyMap<string, Narrow>;
  /** For each aggregate, with the derivatives of its body. */
  readonly aggregates: readonly {
    readonly aggregate: NarrowAggregate;
    readonly slope: Narrow;
    readonly body: Slopes;
  }[];
}

export interface Plan {
  readonly targets: Targets;
  readonly terms: readonly PlannedTerm[];
  readonly perToken: boolean;
  /** The views of the logits that are read, by key. */
  readonly views: ReadonlyMap<string, View>;
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
  readonly scheduled: boolean;
  /** Whether a batch needs a teacher's logits. */
  readonly teacher: boolean;
  /** The names of the inputs that a batch needs. */
  readonly inputs: readonly string[];
  /** Whether a row's value depends on other rows. */
  readonly aggregates: boolean;
  /** Whether a row's value depends on all rows of the batch. */
  readonly coupled: boolean;
}

/** Plans a loss. A term without a reduction gets the weighted mean. */
export function plan(loss: AnyLoss, targets: Targets = "integer"): Plan {
  checkLoss(loss, "compile");
  const lowered = finalTerms(loss).map((term) => {
    const { reduction, value, weight } = term;
    const by: By = term.targets !== "labels" ? term.targets : targets === "integer" ? "label" : "targets";
    return { reduction, value: lower(value, by), weight: lower(weight, by), by, classes: { value, weight } };
  });
  const expressions = lowered.flatMap(({ value, weight }) => [value, weight]);
  const statistics = distinct(expressions, (a) => (a.kind === "statistic" ? a.statistic : null));
  const aggregates = expressions.flatMap(narrowAtomsOf).filter((a) => a.kind === "aggregate");
  const parameters = parametersOf(loss);
  return {
    targets,
    terms: lowered.map((term) => ({
      ...term,
      slopes: slopesOf(term.value, [...statistics.keys()], [...parameters.keys()]),
    })),
    perToken: lowered.some((term) => term.reduction === "perToken"),
    views: viewsOf(statistics.values()),
    statistics,
    lookups: distinct(expressions, (a) => (a.kind === "lookup" ? a.table : null)),
    totals: distinct(expressions, (a) => (a.kind === "total" ? a.table : null)),
    wholeTables: wholeTablesOf(statistics.values(), targets === "soft" ? fieldsOf(loss) : []),
    fields: fieldsOf(loss),
    parameters,
    ignored: loss.ignored,
    scheduled: isScheduledLoss(loss),
    teacher: hasTeacher(loss),
    inputs: inputsOf(loss),
    aggregates: aggregates.length > 0,
    coupled: aggregates.some(({ over }) => over === "batch"),
  };
}

/** Whether a statistic looks at the model's logits: those of a teacher are constants. */
function isOfModel(s: Statistic): boolean {
  if (s.kind === "classwise") return atomsOf(s.body).some((a) => "view" in a && a.view.of === "logits");
  return "view" in s && s.view.of === "logits";
}

/** The views that statistics read, those inside class-wise sums too; a teacher's first, since they weigh others. */
function viewsOf(statistics: Iterable<Statistic>): ReadonlyMap<string, View> {
  const views = [...statistics].flatMap((s): readonly View[] => {
    const weighting = "weighting" in s && typeof s.weighting === "object" ? [s.weighting] : [];
    if (s.kind === "classwise") return [...weighting, ...atomsOf(s.body).flatMap((a) => ("view" in a ? [a.view] : []))];
    return "view" in s ? [...weighting, s.view] : weighting;
  });
  const ordered = [...views.filter(({ of }) => of === "teacher"), ...views.filter(({ of }) => of === "logits")];
  return new Map(ordered.map((view) => [keyOf(view), view]));
}

/** The tables of dot products and sums, the fields in class-wise sums, and `fields`, which the labels' gradient reads. */
function wholeTablesOf(statistics: Iterable<Statistic>, fields: readonly Field[]): ReadonlyMap<string, Table> {
  const ofField = (field: Field): Table => atom({ kind: "weight", field });
  const tables = [...statistics].flatMap((s): readonly Table[] => {
    if (s.kind === "dot" || s.kind === "targetSum") return s.table === null ? [] : [s.table];
    if (s.kind !== "classwise") return [];
    return atomsOf(s.body).flatMap((a) => (a.kind === "weight" && a.field !== null ? [ofField(a.field)] : []));
  });
  return new Map([...tables, ...fields.map(ofField)].map((table) => [keyOf(table), table]));
}

function slopesOf(e: Narrow, statistics: readonly string[], parameters: readonly string[]): Slopes {
  const aggregates = atomsOf(e).flatMap((a) => (a.kind === "aggregate" ? [a] : []));
  return {
    statistics: derivatives(e, statistics, (a) =>
      a.kind === "statistic" && isOfModel(a.statistic) ? keyOf(a.statistic) : null,
    ),
    parameters: derivatives(e, parameters, (a) => (a.kind === "parameter" ? a.name : null)),
    aggregates: aggregates.map((aggregate) => ({
      aggregate,
      slope: differentiate(e, (a) => a === aggregate),
      body: slopesOf(aggregate.body, statistics, parameters),
    })),
  };
}

/** The derivatives that are not 0, by the name of the variable. */
function derivatives(
  value: Narrow,
  names: Iterable<string>,
  nameOf: (a: NarrowAtom) => string | null,
): ReadonlyMap<string, Narrow> {
  const all = [...names].map((name) => [name, differentiate(value, (a) => nameOf(a) === name)] as const);
  return new Map(all.filter(([, derivative]) => derivative.kind !== "constant" || derivative.value !== 0));
}
