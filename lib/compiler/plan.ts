/**
 * A plan says what a compiled loss computes: which statistics of the logits, which tables, and for each term the narrow
 * expressions of its value, of its share of the denominator and of its derivatives. It is plain data.
 */
import { differentiate } from "../loss/differentiate.ts";
import { LossError } from "../loss/error.ts";
import type { Field } from "../loss/field.ts";
import { type AnyLoss, finalTerms, type Reduction } from "../loss/loss.ts";
import { fieldsOf, isScheduledLoss } from "../loss/vocabulary.ts";
import { lowerAtLabel } from "./lower.ts";
import { distinct, type Narrow, type Statistic, statisticKey, type Table, tableKey } from "./narrow.ts";

export interface PlannedTerm {
  readonly reduction: Reduction;
  /** The row's share of the numerator, before the sample weight. */
  readonly value: Narrow;
  /** The row's share of the denominator of a weighted mean, before the sample weight. */
  readonly weight: Narrow;
  /** ∂value / ∂statistic by the statistic's key. */
  readonly derivatives: ReadonlyMap<string, Narrow>;
}

export interface Plan {
  readonly terms: readonly PlannedTerm[];
  readonly perToken: boolean;
  /** The statistics of the logits that the terms use, by key. */
  readonly statistics: ReadonlyMap<string, Statistic>;
  /** The tables that are looked up at the label, by key. */
  readonly lookups: ReadonlyMap<string, Table>;
  /** The tables whose sums are used, by key. */
  readonly totals: ReadonlyMap<string, Table>;
  readonly fields: readonly Field[];
  readonly ignored: readonly number[];
  readonly scheduled: boolean;
}

/** Plans a loss. A term without a reduction gets the weighted mean. */
export function plan(loss: AnyLoss): Plan {
  if (typeof loss !== "object" || loss === null || !Array.isArray(loss.terms)) {
    throw new LossError(
      "compile",
      `got ${String(loss)}`,
      "Give a loss, such as crossEntropy or pipe(crossEntropy, mean)",
    );
  }
  const lowered = finalTerms(loss).map((term) => ({
    reduction: term.reduction,
    value: lowerAtLabel(term.value),
    weight: lowerAtLabel(term.weight),
  }));
  const expressions = lowered.flatMap(({ value, weight }) => [value, weight]);
  const statistics = distinct(expressions, (a) => (a.kind === "statistic" ? a.statistic : null), statisticKey);
  return {
    terms: lowered.map((term) => ({ ...term, derivatives: derivatives(term.value, statistics) })),
    perToken: lowered.some((term) => term.reduction === "perToken"),
    statistics,
    lookups: distinct(expressions, (a) => (a.kind === "lookup" ? a.table : null), tableKey),
    totals: distinct(expressions, (a) => (a.kind === "total" ? a.table : null), tableKey),
    fields: fieldsOf(loss),
    ignored: loss.ignored,
    scheduled: isScheduledLoss(loss),
  };
}

function derivatives(value: Narrow, statistics: ReadonlyMap<string, Statistic>): ReadonlyMap<string, Narrow> {
  const byKey = new Map<string, Narrow>();
  for (const key of statistics.keys()) {
    const derivative = differentiate(value, (a) => a.kind === "statistic" && statisticKey(a.statistic) === key);
    if (derivative.kind !== "constant" || derivative.value !== 0) byKey.set(key, derivative);
  }
  return byKey;
}
