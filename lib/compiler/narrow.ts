/**
 * The narrow part of a loss: expressions whose values are one number a row, over statistics that cost a pass over the
 * vocabulary and tables that are folded once.
 */
import type { StatisticName } from "../kernels/rowStatistics.ts";
import type { Candidates, LabelFact } from "../loss/candidates.ts";
import { atomsOf, type Expression } from "../loss/expression.ts";
import type { Field } from "../loss/field.ts";
import type { ClassExpression, ColumnAggregate, ColumnExpression, HighestAtom, SharedAtom } from "../loss/loss.ts";
import { identityOf } from "../loss/normalForm.ts";
import type { ParameterAtom } from "../loss/parameter.ts";
import type { Step } from "../loss/schedule.ts";
import type { BiasAtom, View } from "../loss/view.ts";
import type { WholeRow } from "../loss/wholeRow.ts";

/** An expression over the entries of the vocabulary that does not look at the logits. */
export type Table = Expression<TableAtom>;
export type TableAtom = BiasAtom;

/** How the classes of a row are added: each once, by the row's soft targets, or by the softmax of a teacher's view. */
export type Weighting = "ones" | "targets" | View;

/** A view as a kernel reads it: what it leaves out of its sums, and n, t and r are of, is the label or the pivot of candidates. */
export interface ReadView extends View {
  /** The pivot is the highest of a row's candidates, and its label where there is none. */
  readonly pivotOf?: Candidates;
}

/**
 * A number for each row that costs a pass over the vocabulary. m, s, n, t, r, e, the dot products and the cross entropies
 * are those of lib/kernels/rowStatistics.ts in a view of the logits; a table of null is 1 for every class.
 */
export type Statistic =
  | { readonly kind: StatisticName; readonly view: ReadView }
  /** Σ_c u_c (z_c − m). */
  | { readonly kind: "dot"; readonly view: View; readonly table: Table | null }
  /** Σ_c q_c u_c nll_c. */
  | {
      readonly kind: "crossEntropy";
      readonly weighting: Exclude<Weighting, "ones">;
      readonly view: View;
      readonly table: Table | null;
    }
  /** A number of ../loss/wholeRow.ts, entmax's with m in the place of logsumexp: ordinary ops over [N, V]. */
  | { readonly kind: "wholeRow"; readonly of: WholeRow; readonly view: View }
  /** Σ_c q_c u_c, which does not look at the model's logits. */
  | { readonly kind: "targetSum"; readonly weighting: Exclude<Weighting, "ones">; readonly table: Table | null }
  /** Σ_c of an expression that is not linear in nll: ordinary ops over [N, V]. */
  | { readonly kind: "classwise"; readonly weighting: Weighting; readonly body: ClassExpression }
  | CandidatesStatistic
  /** Over the columns of a row of values. */
  | { readonly kind: "columns"; readonly aggregate: ColumnAggregate; readonly body: ColumnExpression };

/**
 * The sum over a row's candidates but its label, and but the pivot of the view: arithmetic on [N, K]. The pivot alone may have more
 * than half of the row's probability, so that what is left keeps its digits as a function of nll = s − (z − m).
 */
export interface CandidatesStatistic {
  readonly kind: "candidates";
  readonly candidates: Candidates;
  /** The view of which nll is; null where the body reads no logits, and no pivot is left out. */
  readonly view: ReadView | null;
  readonly body: CandidateExpression;
}

/** An expression over the candidates of a row. */
export type CandidateExpression = Expression<CandidateAtom>;

export type CandidateAtom = TableAtom | { readonly kind: "nll" };

export type NarrowAtom =
  | Step
  | ParameterAtom
  | { readonly kind: "vocabularySize" }
  | { readonly kind: "statistic"; readonly statistic: Statistic }
  /** The table's entry at the row's label, or at the pivot of a view. */
  | { readonly kind: "lookup"; readonly table: Table; readonly at: ReadView | null }
  | LabelFact
  /** 1 where the row has a candidate beside its label, else 0. */
  | { readonly kind: "hasCandidate"; readonly candidates: Candidates }
  /** The sum of the table: one number. */
  | { readonly kind: "total"; readonly table: Table }
  | { readonly kind: "input"; readonly name: string }
  | { readonly kind: "position" }
  /** The sample weight of a valid row, 0 in the others; NaN in a valid row whose label is no class. */
  | { readonly kind: "rowWeight" }
  /** The same with 1 for the sample weight. */
  | { readonly kind: "valid" }
  /** The gradient that reaches a term's numerator from the row, or its denominator: the same for every row, or not. */
  | { readonly kind: "reachedNumerator" | "reachedDenominator"; readonly term: number }
  | NarrowAggregate;

export const rowWeight: Narrow = { kind: "atom", atom: { kind: "rowWeight" } };
export const valid: Narrow = { kind: "atom", atom: { kind: "valid" } };

/**
 * The row's own number, a sum over the valid rows of its sequence, or a mean over those of the batch; or whether the row's
 * own number is among the highest of the batch.
 */
export interface NarrowAggregate {
  readonly kind: "aggregate";
  readonly over: SharedAtom["over"] | Pick<HighestAtom, "share">;
  /** 0 in rows that are not valid. */
  readonly body: Narrow;
  /** The body as a function of the class. */
  readonly classes: ClassExpression;
}

export type Narrow = Expression<NarrowAtom>;

const fieldNumbers = new WeakMap<Field, number>();
let fields = 0;

const keys = new WeakMap<object, string>();

/** The same text for tables, views and statistics that mean the same, built from the same fields. */
export function keyOf(structure: Table | View | Statistic | LabelFact): string {
  const key = keys.get(structure) ?? makeKey(structure);
  keys.set(structure, key);
  return key;
}

function makeKey(structure: Table | View | Statistic | LabelFact): string {
  return JSON.stringify(structure, (key, value: unknown) => {
    if (typeof value === "function") return `function ${identityOf(value)}`;
    if (key !== "field") return value;
    const field = value as Field;
    const number = fieldNumbers.get(field) ?? fields++;
    fieldNumbers.set(field, number);
    return number;
  });
}

const lists = new WeakMap<Narrow, readonly [Narrow]>();

/** An expression as a list, the same at each call, so that its loop is made once. */
export function listOf(e: Narrow): readonly [Narrow] {
  const known = lists.get(e) ?? ([e] as const);
  lists.set(e, known);
  return known;
}

/** The atoms of an expression, those of the bodies of aggregates too. */
export function narrowAtomsOf(e: Narrow): readonly NarrowAtom[] {
  return atomsOf(e).flatMap((a) => (a.kind === "aggregate" ? [a, ...narrowAtomsOf(a.body)] : [a]));
}

/** The distinct values among the atoms of some expressions, by key, in order of first appearance. */
export function distinct<T extends Table | Statistic | LabelFact>(
  expressions: readonly Narrow[],
  pick: (a: NarrowAtom) => T | null,
): ReadonlyMap<string, T> {
  const found = new Map<string, T>();
  for (const a of expressions.flatMap(narrowAtomsOf)) {
    const x = pick(a);
    if (x !== null && !found.has(keyOf(x))) found.set(keyOf(x), x);
  }
  return found;
}
