/**
 * What the library's own losses, laws, schedules and modulators are written in, for writing more of them. Everything
 * built from these pieces shows, evaluates, compiles, differentiates and explains itself like a built-in one.
 *
 * - A loss: `lossOf(value)` with a value over `nll`, `probability`, `complement`, `logOdds`, `logsumexp`, `entropy`; over
 *   `position`, `input(name)` and the weight of the class among the `target`s; over the row's own loss, `overTargets(body)`; and
 *   over what rows share, `overSequence(body)`, `batchMean(body)` and `highest(share, body)`; over ids that stand beside the label,
 *   `overCandidates(body)`, `isCandidate()` and `inRepeat(length)`.
 * - A loss over values: `lossOfValues(value)` with a value over `overColumns(…)` of `prediction` and `target`; where columns
 *   differ, over `namedColumns(…)` and `equalParts(…)`.
 * - A modulator: `modulate(name, (value) => …)` changes the value of every term; `append(name, value)` adds a term;
 *   `weighRows(name, weight)` weighs the rows.
 * - A law: `law({ name, map })` with a map over `value`, `count`, `rank`, `medianCount`, `vocabularySize`, `overVocabulary`.
 * - A schedule: any expression over `step`.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, freqWeights, fromCounts, language, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const { constant, law, modulate, multiply, probability, stopGradient, subtract, value } = language;
 * const dynamic = modulate("dft", (loss) => multiply(stopGradient(probability), loss));
 * const halfway = law({ name: "halfway", map: multiply(constant(0.5), value) });
 *
 * const batch = { logits: [[2, 1, 0.1]], labels: [0] };
 * expect(evaluate(pipe(crossEntropy, dynamic), batch)).toBeCloseTo(0.27482326, 8);
 * const loss = pipe(crossEntropy, freqWeights(fromCounts([4, 2, 1])), halfway, sum);
 * expect(evaluate(loss, batch)).toBeCloseTo(2 * 0.41703, 4);
 * expect(subtract(constant(3), constant(1))).toEqual(constant(2));
 * ```
 *
 * @module
 */
import { type Candidates, checkCandidateSource } from "./candidates.ts";
import { type KeepRows, keepRows } from "./combinator.ts";
import { LossError } from "./error.ts";
import { atom, type Expression, stopGradient } from "./expression.ts";
import type { VocabularyAtom } from "./field.ts";
import {
  appendTerm,
  type ClassAtom,
  type ClassExpression,
  type ColumnAtom,
  highestRows,
  isOfClass,
  mapValues,
  overAllClasses,
  overTheseCandidates,
  shareBounds,
  weighTerms,
} from "./loss.ts";
import { lift, type Numeric } from "./schedule.ts";

export type { Candidates } from "./candidates.ts";
export { law } from "./combinator.ts";
export {
  add,
  constant,
  divide,
  type Expression,
  max,
  min,
  multiply,
  named,
  pow,
  select,
  stopGradient,
  subtract,
  unary,
  weigh,
  within,
} from "./expression.ts";
export type { VocabularyAtom } from "./field.ts";
export {
  type ClassAtom,
  type ClassExpression,
  type ColumnAtom,
  type ColumnExpression,
  lossOf,
  lossOfValues,
} from "./loss.ts";
export {
  complement,
  entmaxExcess,
  entropy,
  logOdds,
  logsumexp,
  nll,
  probability,
  topEntropy,
} from "./probability.ts";
export { lift, step } from "./schedule.ts";
export { equalParts, namedColumns, overColumns, prediction, target } from "./values.ts";

/** The modifier that changes the value of every term of a loss; `name` is for error messages. */
export function modulate(name: string, change: (value: ClassExpression) => ClassExpression): KeepRows {
  return keepRows(name, (loss) => mapValues(loss, change));
}

/** The modifier that adds a term, which weights attached before do not reach; `name` is for error messages. */
export function append(name: string, value: ClassExpression): KeepRows {
  return keepRows(name, (loss) => appendTerm(loss, value));
}

/**
 * The modifier that weighs the rows of every term by a number of the row, of at least 0: in the value, and in what a
 * weighted mean is divided by. `name` is for error messages.
 */
export function weighRows(name: string, weight: ClassExpression): KeepRows {
  return keepRows(name, (loss) => weighTerms(loss, weight));
}

/** In a law: the weight of the entry before the law. */
export const value: Expression<VocabularyAtom> = atom({ kind: "value" });

/** In a law: the raw count of the entry. */
export const count: Expression<VocabularyAtom> = atom({ kind: "count" });

/**
 * In a law: the rank of the entry by its raw count, 1 for the most frequent; entries of one count share the mean of
 * their ranks.
 */
export const rank: Expression<VocabularyAtom> = atom({ kind: "rank" });

/** In a law: the median of the raw counts of the entries that were seen. */
export const medianCount: Expression<VocabularyAtom> = atom({ kind: "medianCount" });

/** In a law or a loss: the number of entries of the vocabulary, V. */
export const vocabularySize: Expression<VocabularyAtom & ClassAtom> = atom({ kind: "vocabularySize" });

/** In a law: the sum or the maximum of an expression over all entries. */
export function overVocabulary(aggregate: "sum" | "max", body: Expression<VocabularyAtom>): Expression<VocabularyAtom> {
  return atom({ kind: "overVocabulary", aggregate, body });
}

/**
 * In a loss: the number that a batch gives for the row in `inputs`, under this name. A constant to gradients.
 *
 * @throws LossError for an empty name.
 */
export function input(name: string): Expression<ClassAtom & ColumnAtom> {
  if (typeof name !== "string" || name === "") {
    throw new LossError("input(name)", `got ${JSON.stringify(name)}`, "Give the input a name");
  }
  return atom({ kind: "input", name });
}

/** In a loss: the row's place in its sequence, 0 at the first along the last axis of the labels. */
export const position: Expression<ClassAtom & ColumnAtom> = atom({ kind: "position" });

/**
 * In a loss: the sum of an expression over the row's targets, which is its value at an integer label. A function of a row's
 * whole loss is one of this.
 */
export function overTargets(body: ClassExpression): ClassExpression {
  return atom({ kind: "aggregate", over: "row", body });
}

/**
 * In a loss: the sum of an expression, at each row's targets, over the valid rows of the row's sequence: the last axis of
 * the labels.
 */
export function overSequence(body: ClassExpression): ClassExpression {
  return atom({ kind: "aggregate", over: "sequence", body });
}

/**
 * In a loss: the mean of an expression, at each row's targets, over the valid rows of the batch. It couples the rows, so
 * that such a loss has no parts that add up over micro-batches.
 */
export function batchMean(body: ClassExpression): ClassExpression {
  return atom({ kind: "aggregate", over: "batch", body });
}

/**
 * In a loss: the sum of an expression over the row's candidates, its own label left out. The candidates are the distinct labels at
 * earlier valid positions of the row's sequence, or with "given" the distinct `candidates` of the batch. In the expression nll,
 * logOdds and weights are those of a candidate. It costs arithmetic on the candidates alone, and needs integer labels.
 *
 * @throws LossError for another source, and where the expression reads `target`.
 */
export function overCandidates(body: ClassExpression, candidates: Candidates = "earlierLabels"): ClassExpression {
  checkCandidateSource(candidates, "overCandidates(body, candidates)");
  return overTheseCandidates(body, candidates, "overCandidates");
}

/** In a loss: 1 where the row's label is among its candidates, else 0. It needs integer labels. */
export function isCandidate(candidates: Candidates = "earlierLabels"): ClassExpression {
  checkCandidateSource(candidates, "isCandidate(candidates)");
  return atom({ kind: "isCandidate", candidates });
}

/**
 * In a loss: 1 where the row is part of `length` consecutive valid rows of its sequence whose labels stood there in the same order
 * before, else 0. It needs integer labels.
 *
 * @throws LossError where the length is no whole number above 0.
 */
export function inRepeat(length: number): ClassExpression {
  if (!Number.isSafeInteger(length) || length < 1) {
    throw new LossError("inRepeat(length)", `got ${String(length)}`, "Give a whole number of at least 1");
  }
  return atom({ kind: "inRepeat", length });
}

/**
 * In a loss: 1 in a share of the batch's valid rows, those in which an expression is the highest, and 0 in the others. One of
 * the class is summed over the row's targets. As many rows as the share says, to the nearest whole number, and one at
 * least; of rows that tie for the last places those that come first in the batch, and NaN is the highest. A constant to
 * gradients, which couples the rows as `batchMean` does.
 *
 * @param share a number above 0 and at most 1, or a schedule.
 * @throws LossError where the share is outside.
 */
export function highest(share: Numeric, body: ClassExpression): ClassExpression {
  const lifted = lift(share, "highest(share)", shareBounds);
  const ofRow = isOfClass(body) ? overTargets(body) : body;
  return stopGradient(highestRows(lifted, ofRow));
}

/**
 * In a loss: the sum of an expression over all classes.
 *
 * @throws LossError where the expression reads `target`.
 */
export function overClasses(body: ClassExpression): ClassExpression {
  return overAllClasses(body, "overClasses");
}
