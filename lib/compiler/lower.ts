/**
 * Lowers per-class expressions to narrow ones. At an integer label y:
 * - nll_y is n and logOdds_y is t − r;
 * - what does not look at the logits becomes one folded table, looked up at the label.
 *
 * A sum over the classes, Σ_c q_c e_c with q the soft targets, a teacher's softmax or 1, is taken apart into monomials: a factor of the row
 * times a factor of the class. Where the factor of the class is a table u the sum is Σ q u; where it is u nll it is the
 * cross entropy of q u, and for q = 1 (Σ u) s − Σ u (z − m); any other is left to ordinary ops over [N, V], "classwise".
 *
 * A sum over candidates is taken apart in the same way. Its pivot, the highest of them, is read as a label is, by a view of its
 * own; the others are arithmetic on [N, K].
 */
import type { StatisticName } from "../kernels/rowStatistics.ts";
import type { Candidates } from "../loss/candidates.ts";
import { LossError } from "../loss/error.ts";
import {
  add,
  atom,
  atomsOf,
  constant,
  divide,
  type Expression,
  multiply,
  substitute,
  subtract,
  unary,
  weigh,
} from "../loss/expression.ts";
import type { ClassAtom, ClassExpression } from "../loss/loss.ts";
import type { View } from "../loss/view.ts";
import { columnsStatistic } from "./columns.ts";
import {
  type CandidateAtom,
  type CandidateExpression,
  keyOf,
  type Narrow,
  type NarrowAtom,
  type ReadView,
  type Statistic,
  type Table,
  type TableAtom,
  valid,
  type Weighting,
} from "./narrow.ts";

const statistic = (s: Statistic): Narrow => atom({ kind: "statistic", statistic: s });
const of = (kind: StatisticName, view: ReadView): Narrow => statistic({ kind, view });

/**
 * What the classes of a term's rows are added by: the row's label alone, its soft targets, or a teacher's softmax. A term
 * over values has one number a row, as at a label.
 */
export type By = "label" | Exclude<Weighting, "ones">;

/** The value of a per-class expression, added over the classes by the targets. */
export function lower(e: ClassExpression, by: By): Narrow {
  return by === "label" ? lowerAtLabel(e) : lowerSum(e, by, by);
}

/** The value of a per-class expression at the row's label, or at the pivot of the view that it reads. */
function lowerAtLabel(e: ClassExpression, pivot: ReadView | null = null): Narrow {
  return substitute<ClassAtom, NarrowAtom>(
    e,
    (a) => {
      if (a.kind === "nll") return of("n", pivot ?? a.view);
      if (a.kind === "logOdds") return subtract(of("t", pivot ?? a.view), of("r", pivot ?? a.view));
      if (a.kind === "target") return constant(1);
      return lowerRowAtom(a, "label");
    },
    (node) => {
      if (isTable(node) && isPerClass(node)) return atom({ kind: "lookup", table: node as Table, at: pivot });
      const folded = foldWeights(node);
      return folded === null ? null : lowerAtLabel(folded, pivot);
    },
  );
}

/** w · (u · x) as (w · u) · x, so that the two weights become one table. */
function foldWeights(node: ClassExpression): ClassExpression | null {
  if (node.kind !== "binary" || node.operator !== "weigh") return null;
  const { left, right } = node;
  if (right.kind !== "binary" || right.operator !== "weigh") return null;
  const tables = [left, right.left];
  return tables.every((table) => isTable(table) && isPerClass(table))
    ? weigh(multiply(left, right.left), right.right)
    : null;
}

/** The sum of a per-class expression over the classes of a term, weighed by targets or each once. */
function lowerSum(e: ClassExpression, weighting: Weighting, by: By): Narrow {
  return monomials(e, by).reduce<Narrow>(
    (sum, { row, body }) => add(sum, weigh(row, sumOf(body, weighting))),
    constant(0),
  );
}

// ------------------------------------------------------------------------------------------------------ candidates

/** The sum of a per-class expression over the row's candidates but its label. */
function lowerCandidates(e: ClassExpression, candidates: Candidates, by: By): Narrow {
  return monomials(e, by).reduce<Narrow>(
    (sum, { row, body }) => add(sum, weigh(row, sumOverCandidates(body, candidates))),
    constant(0),
  );
}

function sumOverCandidates(body: ClassExpression, candidates: Candidates): Narrow {
  const views = new Map(atomsOf(body).flatMap((a) => ("view" in a ? [[keyOf(a.view), a.view] as const] : [])));
  const [view, second] = views.values();
  if (second !== undefined || view?.of === "teacher") {
    throw new LossError(
      "compile",
      second === undefined
        ? "a sum over candidates reads a teacher's logits"
        : "a sum over candidates reads two views of the logits in one function",
      "Read one view of the model's own logits, or add sums of one view each",
    );
  }
  const pivot: ReadView | null = view === undefined ? null : { ...view, pivotOf: candidates };
  const others = statistic({ kind: "candidates", candidates, view: pivot, body: asCandidate(body) });
  if (pivot === null) return others;
  return add(weigh(atom<NarrowAtom>({ kind: "hasCandidate", candidates }), lowerAtLabel(body, pivot)), others);
}

const candidateNll: CandidateExpression = atom({ kind: "nll" });
const negativeNll = subtract(constant(0), candidateNll);
/** log p − log(1 − p), for a p of at most a half. */
const candidateLogOdds = subtract(negativeNll, unary("log1p", subtract(constant(0), unary("exp", negativeNll))));

function asCandidate(body: ClassExpression): CandidateExpression {
  return substitute<ClassAtom, CandidateAtom>(body, (a) => {
    if (a.kind === "nll") return candidateNll;
    return a.kind === "logOdds" ? candidateLogOdds : atom(a as TableAtom);
  });
}

// ------------------------------------------------------------------------------------------------------- monomials

interface Monomial {
  /** The same for every class. */
  readonly row: Narrow;
  /** Reads no atom of the row. */
  readonly body: ClassExpression;
}

function monomials(e: ClassExpression, by: By): readonly Monomial[] {
  if (isRow(e)) return [{ row: lowerRow(e, by), body: constant(1) }];
  switch (e.kind) {
    case "within":
      return monomials(e.argument, by);
    case "named":
      return monomials(e.body, by);
    case "binary": {
      const { operator, left, right } = e;
      if (operator === "add") return [...monomials(left, by), ...monomials(right, by)];
      if (operator === "subtract")
        return [
          ...monomials(left, by),
          ...monomials(right, by).map((m) => ({ ...m, row: subtract(constant(0), m.row) })),
        ];
      if (operator === "multiply" || operator === "weigh") {
        const rights = monomials(right, by);
        return monomials(left, by).flatMap((l) =>
          rights.map((r) => ({
            row: operator === "weigh" ? weigh(l.row, r.row) : multiply(l.row, r.row),
            body: product(operator, l.body, r.body),
          })),
        );
      }
      if (operator === "divide" && isRow(right)) {
        return monomials(left, by).map((m) => ({ ...m, row: divide(m.row, lowerRow(right, by)) }));
      }
    }
  }
  if (atomsOf(e).every((a) => !isRowAtom(a))) return [{ row: constant(1), body: e }];
  throw new LossError(
    "compile",
    "a sum over the classes mixes a number of the row and a number of the class in a function that is neither a sum nor a product",
    "Write it as sums and products of both, or use integer labels",
  );
}

function product(operator: "multiply" | "weigh", left: ClassExpression, right: ClassExpression): ClassExpression {
  return operator === "multiply" || right.kind === "constant" || left.kind === "constant"
    ? multiply(left, right)
    : { kind: "binary", operator, left, right };
}

function sumOf(body: ClassExpression, weighting: Weighting): Narrow {
  if (isTable(body)) return sumOfTable(body as Table, weighting);
  const linear = factorOfNll(body);
  if (linear === null) return statistic({ kind: "classwise", weighting, body });
  const { view, table } = linear;
  const perClass = isPerClass(table);
  const factor = perClass ? constant(1) : scalarTable(table);
  const whole = perClass ? table : null;
  if (weighting !== "ones") return multiply(factor, statistic({ kind: "crossEntropy", weighting, view, table: whole }));
  return subtract(
    multiply(sumOfTable(table, weighting), of("s", view)),
    multiply(factor, statistic({ kind: "dot", view, table: whole })),
  );
}

/** u · nll. */
interface FactorOfNll {
  readonly view: View;
  readonly table: Table;
}

/** The table u where the body is the product u · nll, and nothing but a product. */
function factorOfNll(body: ClassExpression): FactorOfNll | null {
  switch (body.kind) {
    case "within":
      return factorOfNll(body.argument);
    case "named":
      return factorOfNll(body.body);
    case "atom":
      return body.atom.kind === "nll" ? { view: body.atom.view, table: constant(1) } : null;
    case "binary": {
      const { operator, left, right } = body;
      if (operator === "divide") return isTable(right) ? scaledFactor(left, right, divide) : null;
      if (operator !== "multiply" && operator !== "weigh") return null;
      if (isTable(left)) return scaledFactor(right, left, multiply);
      return isTable(right) ? scaledFactor(left, right, multiply) : null;
    }
    default:
      return null;
  }
}

function scaledFactor(
  body: ClassExpression,
  by: ClassExpression,
  combine: (u: Table, by: Table) => Table,
): FactorOfNll | null {
  const factor = factorOfNll(body);
  return factor === null ? null : { view: factor.view, table: combine(factor.table, by as Table) };
}

function sumOfTable(table: Table, weighting: Weighting): Narrow {
  const perClass = isPerClass(table);
  if (weighting === "ones") {
    return perClass
      ? atom({ kind: "total", table })
      : multiply(scalarTable(table), atom<NarrowAtom>({ kind: "vocabularySize" }));
  }
  if (perClass) return statistic({ kind: "targetSum", weighting, table });
  // A teacher's softmax sums to 1.
  const all = weighting === "targets" ? statistic({ kind: "targetSum", weighting, table: null }) : constant(1);
  return multiply(scalarTable(table), all);
}

// ------------------------------------------------------------------------------------------------------------ atoms

const rowAtomKinds = new Set<ClassAtom["kind"]>([
  "logsumexp",
  "entropy",
  "wholeRow",
  "classSum",
  "parameter",
  "input",
  "position",
  "candidateSum",
  "isCandidate",
  "inRepeat",
  "overColumns",
  "aggregate",
]);

/** Whether an atom is one number for the whole row, and more than a plain number. */
function isRowAtom(a: ClassAtom): boolean {
  return rowAtomKinds.has(a.kind);
}

/** Whether an expression is the same for every class. */
function isRow(e: ClassExpression): boolean {
  return atomsOf(e).every((a) => isRowAtom(a) || a.kind === "step" || a.kind === "vocabularySize");
}

/** Whether an expression looks at nothing but fields, the step and the vocabulary's size. */
function isTable(e: Expression<{ readonly kind: string }>): boolean {
  return atomsOf(e).every((a) => a.kind === "weight" || a.kind === "step" || a.kind === "vocabularySize");
}

/** Whether a table differs between classes. */
function isPerClass(table: Expression<{ readonly kind: string }>): boolean {
  return atomsOf(table).some((a) => a.kind === "weight");
}

function lowerRow(e: ClassExpression, by: By): Narrow {
  return substitute(e, (a) => lowerRowAtom(a, by));
}

function scalarTable(table: Table): Narrow {
  return substitute<TableAtom, NarrowAtom>(table, (a) => lowerRowAtom(a, "label"));
}

/** Of an atom, which may be one of all losses, by a word, or by the view of one loss, with which its entry goes. */
interface Lowered {
  readonly byWord: Map<By, Narrow>;
  readonly byView: WeakMap<View, Narrow>;
}

const rowAtoms = new WeakMap<ClassAtom | TableAtom, Lowered>();

/** An atom that is one number for the whole row: one expression for one atom, so that its loop is made once. */
export function lowerRowAtom(a: ClassAtom | TableAtom, by: By): Narrow {
  const { byWord, byView } = rowAtoms.get(a) ?? { byWord: new Map(), byView: new WeakMap() };
  rowAtoms.set(a, { byWord, byView });
  const narrow = (typeof by === "string" ? byWord.get(by) : byView.get(by)) ?? makeRowAtom(a, by);
  if (typeof by === "string") byWord.set(by, narrow);
  else byView.set(by, narrow);
  return narrow;
}

function makeRowAtom(a: ClassAtom | TableAtom, by: By): Narrow {
  switch (a.kind) {
    case "logsumexp":
      return add(of("m", a.view), of("s", a.view));
    case "entropy":
      return of("e", a.view);
    case "wholeRow": {
      const value = statistic({ kind: "wholeRow", of: a.of, view: a.view });
      return a.of.kind === "entmax" ? subtract(value, of("s", a.view)) : value;
    }
    case "classSum":
      return lowerSum(a.body, "ones", by);
    case "candidateSum":
      return lowerCandidates(a.body, a.candidates, by);
    case "overColumns":
      return statistic(columnsStatistic(a));
    case "aggregate":
      // Integer labels want no gradient, which is what a row's own number is kept apart for.
      if (a.over === "row" && by === "label") return lower(a.body, by);
      return atom({
        kind: "aggregate",
        ...(a.over === "highest"
          ? { over: { share: a.share }, body: weigh(valid, lowerRow(a.body, by)) }
          : { over: a.over, body: weigh(valid, lower(a.body, by)) }),
        classes: a.body,
      });
    case "step":
    case "vocabularySize":
    case "parameter":
    case "input":
    case "position":
    case "isCandidate":
    case "inRepeat":
      return atom<NarrowAtom>(a);
    default:
      throw new Error(`unreachable: ${a.kind} is no number of the row`);
  }
}
