/**
 * Losses, fields and schedules as text, in the notation of a paper. `w` is a weight field, `c` a class, `y` the label
 * of a row, `V` the number of classes, `t` the step.
 */
import type { Candidates } from "./candidates.ts";
import { type BinaryOperator, type Expression, isConstant } from "./expression.ts";
import type { Field, Law, VocabularyAtom } from "./field.ts";
import {
  type AggregateAtom,
  type AnyLoss,
  type ClassAtom,
  type ClassExpression,
  type ColumnAtom,
  type ColumnsAtom,
  closedTerms,
  type Term,
} from "./loss.ts";
import type { ParameterAtom, Trainable } from "./parameter.ts";
import { leastProbability } from "./probabilities.ts";
import type { Step } from "./schedule.ts";
import type { BiasAtom, View } from "./view.ts";

const precedence: Partial<Record<BinaryOperator, number>> = {
  add: 1,
  subtract: 1,
  multiply: 2,
  weigh: 2,
  divide: 2,
  pow: 3,
};
const symbol: Partial<Record<BinaryOperator, string>> = {
  add: " + ",
  subtract: " − ",
  multiply: " · ",
  weigh: " · ",
  divide: " / ",
  pow: "^",
};

/** An expression as text; `atomText` gives the text of the atoms. */
export function showExpression<A>(e: Expression<A>, atomText: (a: A) => string): string {
  const isSame = (a: Expression<A>, b: Expression<A>): boolean =>
    a === b || (a.kind === "atom" && b.kind === "atom" && atomText(a.atom) === atomText(b.atom));
  const show = (node: Expression<A>, outer: number): string => {
    switch (node.kind) {
      case "constant":
        return showNumber(node.value);
      case "atom":
        return atomText(node.atom);
      case "unary":
        return `${node.operator}(${show(node.argument, 0)})`;
      case "binary": {
        const level = precedence[node.operator];
        if (level === undefined) return `${node.operator}(${show(node.left, 0)}, ${show(node.right, 0)})`;
        if (isConstant(node.left, 0) && node.operator === "subtract") return `−${show(node.right, 3)}`;
        if (node.operator === "multiply" && isSame(node.left, node.right)) {
          return outer > 3 ? `(${show(node.left, 4)}^2)` : `${show(node.left, 4)}^2`;
        }
        const associative = node.operator === "add" || node.operator === "multiply" || node.operator === "weigh";
        const left = show(node.left, node.operator === "pow" ? 4 : level);
        const text = `${left}${symbol[node.operator]}${show(node.right, associative ? level : level + 1)}`;
        return level < outer ? `(${text})` : text;
      }
      case "select":
        return `(${show(node.left, 1)} < ${show(node.right, 1)} ? ${show(node.whenLess, 0)} : ${show(node.otherwise, 0)})`;
      case "stopGradient":
        return `sg(${show(node.argument, 0)})`;
      case "within":
        return show(node.argument, outer);
      case "named":
        return node.name;
    }
  };
  return show(e, 0);
}

/** A number in at most six digits. */
export function showNumber(value: number): string {
  return String(Number(value.toPrecision(6))).replace("-", "−");
}

function showStep({ of }: Step): string {
  return of === undefined ? "t" : of.name;
}

/** A schedule as text: by its name where it has one; a trainable parameter by its name. */
export function showScalar(e: Expression<Step | ParameterAtom>): string {
  return showExpression(e, (a) => (a.kind === "step" ? showStep(a) : a.name));
}

/** A view as what is added to a function's name: "nll(y; 0.5 · z)"; nothing for the plain view. */
function showView(view: View): string {
  const text = showViewed(view);
  return text === "z" ? "" : `; ${text}`;
}

/** The logits in a view: "0.5 · z". */
function showViewed(view: View): string {
  const logits = view.of === "teacher" ? "teacher" : "z";
  const scaled = isConstant(view.scale, 1) ? logits : `${showScalar(view.scale)} · ${logits}`;
  const capped = view.cap === null ? scaled : `${showScalar(view.cap)} · tanh(${scaled} / ${showScalar(view.cap)})`;
  return isConstant(view.bias, 0)
    ? capped
    : `${capped} + ${showExpression(view.bias, (a: BiasAtom) => (a.kind === "step" ? showStep(a) : a.kind === "vocabularySize" ? "V" : `${showField(a.field)}(·)`))}`;
}

/** A combinator's number, schedule or trainable parameter as text. */
export function showNumeric(value: Trainable): string {
  return typeof value === "number" ? String(value) : showScalar(value);
}

/** A field by the names of its parts: "powerLaw(0.5) ∘ freqWeights". */
export function showField(field: Field): string {
  return [...field.laws.map((law) => law.name).reverse(), field.source.name].join(" ∘ ");
}

/** The weight of class c as a formula: "(f(c) + 1e−7)^−0.5". */
export function showWeight(field: Field): string {
  return field.laws.reduce((before, law) => showLaw(law, before), "f(c)");
}

function showLaw(law: Law, before: string): string {
  const inner = /^[\w()]*$/.test(before) ? before : `[${before}]`;
  const atomText = (a: VocabularyAtom): string => {
    switch (a.kind) {
      case "step":
        return showStep(a);
      case "value":
        return inner;
      case "count":
        return "count(c)";
      case "rank":
        return "rank(c)";
      case "medianCount":
        return "median count";
      case "overridden":
        return `${law.name} of ${showExpression(a.of, atomText)}`;
      case "vocabularySize":
        return "V";
      case "overVocabulary":
        return `${a.aggregate === "sum" ? "Σ" : "max"}_c(${showExpression(a.body, atomText)})`;
    }
  };
  return showExpression(law.map, atomText);
}

/**
 * A loss as formulas, one a line: the loss itself, the terms that have a name, then each of its weight fields.
 *
 * @example
 * ```ts
 * import { classWeights, crossEntropy, pipe, show, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(show(pipe(crossEntropy, classWeights([2, 1]), sum))).toBe(
 *   "loss = Σ_i w(y) · nll(y)\nw(c) = f(c), with f = classWeights",
 * );
 * ```
 */
export function show(loss: AnyLoss): string {
  const { formulas, fields } = showTerms(loss);
  const names = loss.terms.map(({ name }) => name);
  const summands = names.flatMap((name, i) =>
    name === null ? [formulas[i]] : names.indexOf(name) === i ? [name] : [],
  );
  const rows = loss.ignored.length > 0 ? `, rows with y ∉ {${loss.ignored.join(", ")}}` : "";
  const definitions = [...new Set(names)].flatMap((name) =>
    name === null ? [] : [`${name} = ${formulas.filter((_, i) => names[i] === name).join(" + ")}`],
  );
  const lines = fields.map(
    (field, i) => `w${fields.length > 1 ? subscript(i) : ""}(c) = ${showWeight(field)}, with f = ${field.source.name}`,
  );
  const source = loss.probabilities
    ? [`z = log max(p, ${showNumber(leastProbability)}), with p the batch's logits`]
    : [];
  return [`loss = ${summands.join(" + ") || "0"}${rows}`, ...definitions, ...lines, ...source].join("\n");
}

/**
 * What logs call each term: the name that `named` gave it, else its formula, as `show` prints it. Terms of one name are
 * logged as their sum.
 */
export function termNames(loss: AnyLoss): readonly string[] {
  const { formulas } = showTerms(loss);
  return loss.terms.map(({ name }, i) => name ?? formulas[i]);
}

/** Each term's formula, and the weight fields in the order in which the formulas name them. */
function showTerms(loss: AnyLoss): { readonly formulas: readonly string[]; readonly fields: readonly Field[] } {
  const fields: Field[] = [];
  const nameOf = (field: Field): string => {
    const known = fields.indexOf(field);
    return `w${subscript(known >= 0 ? known : fields.push(field) - 1)}`;
  };
  const shown = closedTerms(loss).map((term) => showTerm(term, nameOf));
  return { formulas: fields.length > 1 ? shown : shown.map((formula) => formula.replaceAll("w₁", "w")), fields };
}

function aggregateName(a: AggregateAtom): string {
  switch (a.over) {
    case "row":
      return "row";
    case "sequence":
      return "Σ_sequence";
    case "batch":
      return "mean_batch";
    case "highest":
      return `isHighest_${showScalar(a.share)}`;
  }
}

function showCandidates(candidates: Candidates): string {
  return candidates === "given" ? "candidates" : "earlier labels";
}

function subscript(index: number): string {
  return String(index + 1).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[Number(digit)]);
}

function showTerm(term: Term, nameOf: (field: Field) => string): string {
  const at = (e: ClassExpression, c: string): string =>
    showExpression(e, (a: ClassAtom): string => {
      switch (a.kind) {
        case "step":
          return showStep(a);
        case "parameter":
          return a.name;
        case "nll":
          return `nll(${c}${showView(a.view)})`;
        case "logOdds":
          return `logOdds(${c}${showView(a.view)})`;
        case "logsumexp":
          return `logsumexp(${showViewed(a.view)})`;
        case "entropy":
          return `H(${showViewed(a.view)})`;
        case "wholeRow":
          return a.of.kind === "entmax"
            ? `(Ω*_${showScalar(a.of.alpha)}(${showViewed(a.view)}) − logsumexp(${showViewed(a.view)}))`
            : `H_top${a.of.k}(${showViewed(a.view)})`;
        case "weight":
          return a.field === null ? `w(${c})` : `${nameOf(a.field)}(${c})`;
        case "classSum":
          return `Σ_k(${at(a.body, "k")})`;
        case "candidateSum":
          return `Σ_{k ∈ ${showCandidates(a.candidates)} without y}(${at(a.body, "k")})`;
        case "isCandidate":
          return `[y ∈ ${showCandidates(a.candidates)}]`;
        case "inRepeat":
          return `[y in a repeated ${a.length}-gram]`;
        case "input":
          return a.name;
        case "position":
          return "position";
        case "overColumns":
          return showColumns(a);
        case "target":
          return `q(${c})`;
        case "aggregate":
          return `${aggregateName(a)}(${at(a.body, c)})`;
        case "vocabularySize":
          return "V";
      }
    });
  const { targets } = term;
  const summed = (e: ClassExpression): string => {
    if (typeof targets === "string") return at(e, "y");
    return e.kind === "constant" ? at(e, "c") : `Σ_c softmax(${showViewed(targets)})_c · ${bracket(at(e, "c"))}`;
  };
  const value = summed(term.value);
  switch (term.reduction) {
    case "perToken":
      return value;
    case "sum":
      return `Σ_i ${bracket(value)}`;
    case "mean":
      return `Σ_i ${bracket(value)} / N`;
    case null:
    case "weightedMean": {
      const weight = summed(term.weight);
      return weight === "1" ? `Σ_i ${bracket(value)} / N` : `Σ_i ${bracket(value)} / Σ_i ${bracket(weight)}`;
    }
  }
}

function showColumns({ aggregate, body }: ColumnsAtom): string {
  const inner = showExpression(body, (a: ColumnAtom): string => {
    switch (a.kind) {
      case "step":
        return showStep(a);
      case "parameter":
      case "input":
        return a.name;
      case "overColumns":
        return showColumns(a);
      case "part":
        return `[${a.parts.names[a.index]}]`;
      default:
        return a.kind;
    }
  });
  return `${aggregate === "sum" ? "Σ" : aggregate}_j(${inner})`;
}

function bracket(text: string): string {
  return text.includes(" + ") || text.includes(" − ") ? `[${text}]` : text;
}
