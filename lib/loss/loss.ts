/**
 * A loss is plain data: terms, each linear in its targets unless it reads their weights, and at most one weight field in focus.
 *
 * A term is a pair of per-class expressions. With targets q (an integer label y is q = δ_y; a teacher's are the softmax
 * of its logits) a row's numerator is Σ_c q_c value_c and its share of a weighted mean's denominator is Σ_c q_c weight_c. Rows are added, pairs are added,
 * and the division comes last: so micro-batches and shards give exactly the loss of the whole batch.
 *
 * A weighted loss is a pair (field, Field → Loss). As data the function is the terms with a hole, `weight` atoms whose
 * field is null: attaching a field fills the hole with the field in focus so far and opens a new one; a law changes
 * the field in focus; everything else leaves the focus alone.
 *
 * A loss over values has no classes: a row's value is one number, made of numbers over the columns of its predictions and
 * targets.
 *
 * Laws, tested to 1e-12 relative in `evaluate`:
 * - losses are a commutative monoid under `addLosses` with `emptyLoss`;
 * - with W a field and its laws: W(a + b) = W(a) + W(b) and W(s · a) = s · W(a).
 */

import type { CandidateSumAtom, Candidates, LabelFact } from "./candidates.ts";
import { LossError } from "./error.ts";
import { add, atom, atomsOf, constant, type Expression, multiply, substitute, weigh } from "./expression.ts";
import { applyLaw, type Field, type Law } from "./field.ts";
import type { ParameterAtom } from "./parameter.ts";
import { finite, type Schedule, type Step } from "./schedule.ts";
import { plainView, type View } from "./view.ts";
import type { WholeRow } from "./wholeRow.ts";

// ----------------------------------------------------------------------------------------------------------- model

/** What the atoms of a per-class expression mean for class c of a row with logits z, in a view of them. */
export type ClassAtom =
  | Step
  | ParameterAtom
  | LogitsAtom
  | WholeRowAtom
  /** The weight of class c; null is the hole for the field in focus. */
  | { readonly kind: "weight"; readonly field: Field | null }
  /** The sum of an expression over all classes: a number a row. */
  | { readonly kind: "classSum"; readonly body: Expression<ClassAtom> }
  | { readonly kind: "vocabularySize" }
  /** The weight of class c among the row's targets: 1 at an integer label. */
  | { readonly kind: "target" }
  /** A number that the batch gives for each row, under this name. */
  | { readonly kind: "input"; readonly name: string }
  /** The row's place in its sequence: 0 at the first along the last axis of the labels. */
  | { readonly kind: "position" }
  | LabelFact
  | CandidateSumAtom
  | ColumnsAtom
  | AggregateAtom;

/**
 * A number of a row of values: the sum, the mean or the maximum of `body` over the columns. The gradient of a maximum is
 * shared evenly by the columns that have it.
 */
export interface ColumnsAtom {
  readonly kind: "overColumns";
  readonly aggregate: ColumnAggregate;
  readonly body: ColumnExpression;
}

export type ColumnAggregate = "sum" | "mean" | "max";

/** What the atoms of an expression over the columns mean for a column of a row; what is not of the column is of the row. */
export type ColumnAtom =
  | Step
  | ParameterAtom
  | { readonly kind: "prediction" }
  | { readonly kind: "target" }
  | { readonly kind: "input"; readonly name: string }
  | { readonly kind: "position" }
  /** 1 in the columns of a part of the row, 0 in the others. */
  | { readonly kind: "part"; readonly index: number; readonly parts: ColumnParts }
  | ColumnsAtom;

/** The parts that the columns of a row are, in order: one column each, or as many in each as in the others. */
export interface ColumnParts {
  readonly names: readonly string[];
  readonly size: "one column" | "any";
}

export type ColumnExpression = Expression<ColumnAtom>;

/**
 * A number that rows share. Of `body`, summed over the classes by the targets: the row's own sum, the sum over the valid
 * rows of the row's sequence (the last axis of the labels), or the mean over the valid rows of the batch. Sample weights have
 * no part in it.
 */
export interface SharedAtom {
  readonly kind: "aggregate";
  readonly over: "row" | "sequence" | "batch";
  readonly body: Expression<ClassAtom>;
}

/**
 * Whether `body`, a number of the row, is among the highest of the batch's valid rows: 1 in a share of them, 0 in the others;
 * ./highest.ts says in which. It stands under stopGradient.
 */
export interface HighestAtom {
  readonly kind: "aggregate";
  readonly over: "highest";
  readonly share: Schedule;
  readonly body: Expression<ClassAtom>;
}

export type AggregateAtom = SharedAtom | HighestAtom;

/**
 * What an expression may read of the logits. For class c, with p = softmax(z): nll is −log p_c and logOdds is
 * log(p_c / (1 − p_c)), so that p_c = sigmoid(logOdds) and 1 − p_c = sigmoid(−logOdds) keep their digits. For the row:
 * logsumexp, and the entropy of p.
 */
export interface LogitsAtom {
  readonly kind: "nll" | "logOdds" | "logsumexp" | "entropy";
  readonly view: View;
}

/** A number of the row that needs all its logits in another way; see ./wholeRow.ts. */
export interface WholeRowAtom {
  readonly kind: "wholeRow";
  readonly of: WholeRow;
  readonly view: View;
}

export type ClassExpression = Expression<ClassAtom>;

/** How the rows of a term become one number, or stay one number a row. */
export type Reduction = "sum" | "mean" | "weightedMean" | "perToken";

export interface Term {
  /** What logs call it; null for a term without a name. Terms of one name are logged as one. */
  readonly name: string | null;
  /**
   * What the classes of a row are added by: the labels, or the softmax of a view of the teacher's logits. "values" is a
   * term over values, which has one number a row.
   */
  readonly targets: "labels" | "values" | View;
  readonly value: ClassExpression;
  readonly weight: ClassExpression;
  readonly reduction: Reduction | null;
}

export interface ReducedTerm extends Term {
  readonly reduction: Reduction;
}

/** What a loss is a function of: logits and labels, or predictions and targets of one shape. */
export type Input = "logits" | "values";

/** What may still be done to a loss; the text is what a type error shows. */
export type Kind = "without a weight field" | "with a weight field" | "already reduced" | "already reduced per token";

/** The kinds whose rows are not reduced yet. */
export type Open = "without a weight field" | "with a weight field";

/** A loss over an input, of a kind. Build one by composition; its fields are for interpreters. */
export interface Loss<out I extends Input, out K extends Kind> {
  readonly terms: readonly Term[];
  /** The field that laws apply to. */
  readonly focus: Field | null;
  /** Label values that mark a row as not valid, in ascending order. */
  readonly ignored: readonly number[];
  /** Whether the batch's logits are probabilities, of which the loss reads the logarithm. A fact of the whole batch. */
  readonly probabilities: boolean;
  /** Exists for the type checker alone. */
  readonly phantom?: { readonly input: I; readonly kind: K } | undefined;
}

export type AnyLoss = Loss<Input, Kind>;

type Data = Pick<AnyLoss, "terms" | "focus" | "ignored" | "probabilities">;

// ---------------------------------------------------------------------------------------------------- constructors

/** Throws where `loss` is not one. */
export function checkLoss(loss: unknown, where: string): void {
  if (typeof loss === "object" && loss !== null && "terms" in loss && Array.isArray(loss.terms)) return;
  const got = typeof loss === "function" ? "a function" : String(loss);
  throw new LossError(
    where,
    `got ${got} in place of a loss`,
    "Give a loss, such as crossEntropy or pipe(crossEntropy, mean)",
  );
}

/** A loss of one term: its value for class c, and the targets that the classes are added by. */
export function lossOf(
  value: ClassExpression,
  targets: Term["targets"] = "labels",
): Loss<"logits", "without a weight field"> {
  const loss: Loss<"logits", "without a weight field"> = { ...emptyLoss, terms: [termOf(value, targets)] };
  return checkReads(loss, "lossOf(value)");
}

/** A loss over values, of one term: its value for a row. */
export function lossOfValues(value: ClassExpression): Loss<"values", "without a weight field"> {
  const terms = [termOf(value, "values")];
  const loss: Loss<"values", "without a weight field"> = { terms, focus: null, ignored: [], probabilities: false };
  return checkReads(loss, "lossOfValues(value)");
}

function termOf(value: ClassExpression, targets: Term["targets"] = "labels"): Term {
  return { name: null, targets, value, weight: constant(1), reduction: null };
}

export const emptyLoss: Loss<"logits", "without a weight field"> = {
  terms: [],
  focus: null,
  ignored: [],
  probabilities: false,
};

// ----------------------------------------------------------------------------------------------------------- input

/** What a loss is a function of. A loss without a term is taken for one over logits. */
export function inputOf({ terms }: Pick<AnyLoss, "terms">): Input {
  return terms[0]?.targets === "values" ? "values" : "logits";
}

const readsLogits: ReadonlySet<ClassAtom["kind"]> = new Set<ClassAtom["kind"]>([
  ...(["nll", "logOdds", "logsumexp", "entropy"] as const),
  ...(["wholeRow", "weight", "target", "classSum", "vocabularySize"] as const),
  ...(["candidateSum", "isCandidate", "inRepeat"] as const),
]);

/** `loss`, or a LossError where a term over one input reads the other. */
export function checkReads<L extends Pick<AnyLoss, "terms">>(loss: L, where: string): L {
  for (const { targets, value, weight } of loss.terms) {
    const found = [value, weight]
      .flatMap(atomsWithinRow)
      .find(({ kind }) => (targets === "values" ? readsLogits.has(kind) : kind === "overColumns"));
    if (found === undefined) continue;
    const values = targets === "values";
    throw new LossError(
      where,
      values ? `it reads ${found.kind} of the logits in a loss over values` : "it reads values in a loss over logits",
      values
        ? "Read overColumns(…) of prediction and target, position, input(name) and what rows share"
        : "Make a loss over predictions and targets with lossOfValues",
    );
  }
  return loss;
}

/** `loss`, or a LossError where a term has a hole for the field in focus and there is none. */
export function checkFocus<L extends Data>(loss: L, where: string): L {
  if (loss.focus !== null) return loss;
  for (const { value, weight } of loss.terms) {
    if ([value, weight].flatMap(atomsWithinRow).some((a) => a.kind === "weight" && a.field === null)) {
      throw new LossError(where, "a term is weighed by the field in focus, and there is none", "Give the field");
    }
  }
  return loss;
}

const differsByClass: ReadonlySet<ClassAtom["kind"]> = new Set<ClassAtom["kind"]>([
  "nll",
  "logOdds",
  "weight",
  "target",
]);

/** Whether an expression has a value for each class of a row, and not one for the row. */
export function isOfClass(e: ClassExpression): boolean {
  return atomsOf(e).some(({ kind }) => differsByClass.has(kind));
}

/** The atoms of a per-class expression, those that aggregates are over too, each once. */
function atomsWithinRow(e: ClassExpression): readonly ClassAtom[] {
  const found = new Set<ClassAtom>();
  const visit = (within: ClassExpression): void => {
    for (const a of atomsOf(within)) {
      if (found.has(a)) continue;
      found.add(a);
      if (hasClassBody(a)) visit(a.body);
    }
  };
  visit(e);
  return [...found];
}

/** Whether an atom is made of an expression over the classes. */
export function hasClassBody(
  a: ClassAtom | ColumnAtom,
): a is Extract<ClassAtom, { readonly kind: "classSum" | "candidateSum" | "aggregate" }> {
  return a.kind === "classSum" || a.kind === "candidateSum" || a.kind === "aggregate";
}

// ----------------------------------------------------------------------------------------------------- combinators

/**
 * Maps the value of every term. What `f` adds that reads the plain logits reads them in the term's own view: the p of a
 * modulator is the softmax of the logits that the loss was built on.
 */
export function mapValues<L extends Data>(loss: L, f: (value: ClassExpression) => ClassExpression): L {
  checkLoss(loss, "loss");
  return { ...loss, terms: loss.terms.map((term) => ({ ...term, value: inOwnView(f(term.value), term.value) })) };
}

function inOwnView(e: ClassExpression, value: ClassExpression): ClassExpression {
  const view = ownView(value);
  if (view === null || view === plainView) return e;
  return substituteWithin(
    e,
    (a) => ("view" in a && a.view === plainView ? atom({ ...a, view }) : null),
    (node) => (node === value ? value : null),
  );
}

/** The first view of the model's logits in a value. */
function ownView(value: ClassExpression): View | null {
  for (const a of atomsOf(value)) {
    if ("view" in a && a.view.of === "logits") return a.view;
    const inner = hasClassBody(a) ? ownView(a.body) : null;
    if (inner !== null) return inner;
  }
  return null;
}

/** Maps the value of the terms whose targets are the labels. */
export function mapLabelValues<L extends Data>(loss: L, f: (value: ClassExpression) => ClassExpression): L {
  const terms = loss.terms.map((term) => (term.targets === "labels" ? { ...term, value: f(term.value) } : term));
  return { ...loss, terms };
}

/** Weighs every term: its value, and what a weighted mean of it is divided by. */
export function weighTerms<L extends Data>(loss: L, w: ClassExpression | ((term: Term) => ClassExpression)): L {
  checkLoss(loss, "loss");
  const weighed = (term: Term): Term => {
    const weight = typeof w === "function" ? w(term) : w;
    return { ...term, value: weigh(weight, term.value), weight: multiply(weight, term.weight) };
  };
  return { ...loss, terms: loss.terms.map(weighed) };
}

/** The whole value of a row: that of all terms whose classes are added by the same targets as those of `term`. */
export function rowValueOf({ terms }: Pick<AnyLoss, "terms">, { targets }: Term): ClassExpression {
  const values = terms.filter((term) => term.targets === targets).map(({ value }) => value);
  return values.reduce<ClassExpression>((sum, value) => add(sum, value), constant(0));
}

/** Adds a term that no weight field has reached yet. */
export function appendTerm<L extends Data>(loss: L, value: ClassExpression): L {
  const targets = inputOf(loss) === "values" ? "values" : "labels";
  return { ...loss, terms: [...loss.terms, termOf(value, targets)] };
}

/** The same for a value that reads the plain logits, which then reads them as the first term does that reads any. */
export function appendTermInOwnView<L extends Data>(loss: L, value: ClassExpression): L {
  checkLoss(loss, "loss");
  const reading = loss.terms.find((term) => ownView(term.value) !== null);
  return appendTerm(loss, reading === undefined ? value : inOwnView(value, reading.value));
}

/** Changes the view of the logits in every term; a teacher's stay as they are. */
export function mapViews<L extends Data>(loss: L, f: (view: View) => View): L {
  const change = (e: ClassExpression): ClassExpression =>
    substituteWithin(e, (a) => ("view" in a && a.view.of === "logits" ? atom({ ...a, view: f(a.view) }) : null));
  return { ...loss, terms: loss.terms.map((term) => ({ ...term, value: change(term.value) })) };
}

/** The sum of an expression over all classes; `where` is for the error message. */
export function overAllClasses(body: ClassExpression, where: string): ClassExpression {
  if (atomsOf(body).some((a) => a.kind === "target")) {
    throw new LossError(
      where,
      "the loss reads the weights of its targets, as klDivergence does, and has no value at the other classes",
      `Smooth the labels that the batch gives, or use ${where} on a loss such as crossEntropy`,
    );
  }
  if (atomsWithinRow(body).some((a) => a.kind === "isCandidate" || a.kind === "inRepeat")) {
    throw new LossError(
      where,
      "the loss reads where its label stands among others, as scaleGrad and sequenceUnlikelihood do, and has no value at the other classes",
      `Put ${where} on a loss such as crossEntropy, and add the two`,
    );
  }
  return atom({ kind: "classSum", body });
}

/** Throws where a name for terms is none. */
export function checkTermName(name: unknown, where: string): void {
  if (typeof name === "string" && name !== "") return;
  throw new LossError(where, `got ${JSON.stringify(name)}`, "Give the terms a name");
}

/** 1 in a share of the batch's valid rows, those in which an expression is the highest; the share is checked where it is a number. */
export function highestRows(share: Schedule, body: ClassExpression): ClassExpression {
  if (share.kind === "constant") finite(share.value, "highest(share)", shareBounds);
  if (isOfClass(body)) {
    throw new LossError(
      "highest(body)",
      "it is a number for each class, and rows are chosen by one for each row",
      'Sum it over the row, in JSON by { "aggregate": { "over": "row", "body": … } }',
    );
  }
  return atom({ kind: "aggregate", over: "highest", share, body });
}

/** What a share of rows is within. */
export const shareBounds: { readonly lowest: number; readonly highest: number } = {
  lowest: Number.MIN_VALUE,
  highest: 1,
};

/** The sum of an expression over the candidates of a row but its label; `where` is for the error message. */
export function overTheseCandidates(body: ClassExpression, candidates: Candidates, where: string): ClassExpression {
  if (atomsWithinRow(body).some((a) => a.kind === "target")) {
    throw new LossError(
      where,
      "the expression reads the weights of the row's targets, and candidates are none of these",
      "Read nll, logOdds and weights, and what is one number for the row",
    );
  }
  return atom({ kind: "candidateSum", candidates, body });
}

/** Replaces atoms, those inside other atoms too, and whole nodes; null leaves an atom or a node as it is. */
function substituteWithin(
  e: ClassExpression,
  replacement: (a: ClassAtom) => ClassExpression | null,
  whole: (node: ClassExpression) => ClassExpression | null = () => null,
): ClassExpression {
  const replace = (a: ClassAtom): ClassExpression =>
    hasClassBody(a) ? atom({ ...a, body: substituteWithin(a.body, replacement, whole) }) : (replacement(a) ?? atom(a));
  return substitute(e, replace, whole);
}

function fill(e: ClassExpression, field: Field): ClassExpression {
  return substituteWithin(e, (a) => (a.kind === "weight" && a.field === null ? atom({ kind: "weight", field }) : null));
}

/** The terms with the field in focus put into its hole. */
export function closedTerms(loss: Data): readonly Term[] {
  checkLoss(loss, "loss");
  const { focus } = loss;
  if (focus === null) return loss.terms;
  return loss.terms.map((term) => ({ ...term, value: fill(term.value, focus), weight: fill(term.weight, focus) }));
}

/** Weighs class c of every term by w_c, and takes the field into focus. */
export function attachField<I extends Input>(loss: Loss<I, Kind>, field: Field): Loss<I, "with a weight field"> {
  const { ignored, probabilities } = loss;
  const closed = { terms: closedTerms(loss), focus: field, ignored, probabilities };
  return weighTerms(closed, atom({ kind: "weight", field: null }));
}

/** Applies a law to the field in focus. */
export function mapFocus<I extends Input>(loss: Loss<I, Kind>, law: Law): Loss<I, "with a weight field"> {
  if (loss.focus === null) {
    throw new LossError(
      law.name,
      "the loss has no weight field for the law to act on",
      `Attach one first: pipe(crossEntropy, freqWeights(frequencies), ${law.name})`,
    );
  }
  const { terms, focus, ignored, probabilities } = loss;
  return { terms, focus: applyLaw(law, focus), ignored, probabilities };
}

/** Multiplies every term by a number; denominators stay as they are. */
export function scaleLoss<L extends Data>(loss: L, factor: Expression<Step | ParameterAtom>): L {
  return mapValues(loss, (value) => weigh<ClassAtom>(factor, value));
}

/** The sum of two losses: all terms of both. The focus stays `loss`'s. */
export function addLosses<I extends Input, K extends Kind>(loss: Loss<I, K>, other: AnyLoss): Loss<I, K> {
  if (loss.terms.length > 0 && other.terms.length > 0 && inputOf(loss) !== inputOf(other)) {
    throw new LossError(
      "add(other)",
      `a loss over ${inputOf(other)} cannot be added to a loss over ${inputOf(loss)}: no batch fits both`,
      "Compile each and add their values",
    );
  }
  return {
    ...loss,
    terms: [...loss.terms, ...closedTerms(other)],
    ignored: union(loss.ignored, other.ignored),
    probabilities: loss.probabilities || other.probabilities,
  };
}

/** Names the terms that have no name yet. */
export function nameTerms<L extends Data>(loss: L, name: string): L {
  checkLoss(loss, "named");
  return { ...loss, terms: loss.terms.map((term) => ({ ...term, name: term.name ?? name })) };
}

/** Rows whose label is `label` are not valid. */
export function ignoreLabel<L extends Data>(loss: L, label: number): L {
  checkLoss(loss, "ignoreIndex");
  return { ...loss, ignored: union(loss.ignored, [label]) };
}

/** The batch's logits are probabilities. */
export function ofProbabilities<L extends Data>(loss: L): L {
  checkLoss(loss, "fromProbabilities");
  return { ...loss, probabilities: true };
}

function union(a: readonly number[], b: readonly number[]): readonly number[] {
  return [...new Set([...a, ...b])].sort((x, y) => x - y);
}

/** Sets the reduction of the terms that have none yet. */
export function reduceTerms(loss: Data, reduction: Reduction): readonly ReducedTerm[] {
  checkLoss(loss, reduction);
  if (loss.terms.length > 0 && isReduced(loss)) {
    throw new LossError(
      reduction,
      `the loss is already reduced, by ${loss.terms.map((term) => term.reduction).join(" and ")}`,
      "Keep one of the two reductions",
    );
  }
  return withReduction(loss.terms, reduction);
}

/** The terms as an interpreter needs them: fields in their holes, and the weighted mean where no reduction is named. */
export function finalTerms(loss: Data): readonly ReducedTerm[] {
  return withReduction(closedTerms(loss), "weightedMean");
}

/** The loss with the weighted mean where no reduction is named. */
export function reducedLoss<I extends Input>(loss: Loss<I, Kind>): Loss<I, "already reduced"> {
  const { focus, ignored, probabilities } = loss;
  return { terms: withReduction(loss.terms, "weightedMean"), focus, ignored, probabilities };
}

function withReduction(terms: readonly Term[], otherwise: Reduction): readonly ReducedTerm[] {
  const reduced = terms.map((term) => ({ ...term, reduction: term.reduction ?? otherwise }));
  const perToken = reduced.filter((term) => term.reduction === "perToken").length;
  if (perToken > 0 && perToken < reduced.length) {
    throw new LossError(
      "perToken",
      "a term that stays one number a token cannot be added to a term that is one number",
      "Reduce both with perToken, or neither",
    );
  }
  return reduced;
}

/** Whether every term has its reduction. */
export function isReduced(loss: Data): boolean {
  return loss.terms.every((term) => term.reduction !== null);
}
