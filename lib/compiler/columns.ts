/**
 * The numbers of a row of values as a plan: what is made of the columns forward, and what the symbolic derivatives make
 * of the cotangents backward. Plain data; columnRunner.ts runs it.
 *
 * The derivative of a sum over the columns is the body's derivative in each column, of a mean that over D, of a maximum
 * that over the number of columns that have it, and 0 in the others.
 */
import { differentiate } from "../loss/differentiate.ts";
import {
  add,
  atom,
  atomsOf,
  constant,
  divide,
  type Expression,
  isConstant,
  multiply,
  substitute,
  weigh,
} from "../loss/expression.ts";
import type { ColumnAggregate, ColumnAtom, ColumnExpression, ColumnsAtom } from "../loss/loss.ts";
import { keyOf, type Statistic } from "./narrow.ts";

export type ColumnsStatistic = Extract<Statistic, { readonly kind: "columns" }>;

/** What an expression over the columns reads when it runs. What is of the row is the same in each of its columns. */
export type RunAtom =
  | Exclude<ColumnAtom, ColumnsAtom>
  /** D. */
  | { readonly kind: "columnCount" }
  /** A number of the row over its columns; what reaches it. */
  | { readonly kind: "columns" | "cotangent"; readonly key: string }
  | IsHighest;

/** 1 where the body of a maximum is as large as the maximum, 0 elsewhere. */
export interface IsHighest {
  readonly kind: "isHighest";
  readonly body: RunExpression;
  readonly maximum: RunExpression;
}

export type RunExpression = Expression<RunAtom>;

/** A number of the row, out of an expression over its columns. */
export interface RowNumber {
  readonly key: string;
  readonly aggregate: ColumnAggregate;
  readonly body: RunExpression;
}

export interface ColumnPlan {
  /** In passes over the columns: each reads the numbers of those before it. */
  readonly forward: readonly (readonly RowNumber[])[];
  /** What reaches a number through others that read it; each after those that it reads. */
  readonly through: readonly RowNumber[];
  /** ∂loss / ∂prediction and ∂loss / ∂target in each column. */
  readonly predictions: RunExpression;
  readonly targets: RunExpression;
  /** ∂loss / ∂parameter by its name, to be added up over columns and rows. */
  readonly parameters: ReadonlyMap<string, RunExpression>;
}

/**
 * Plans the numbers over the columns among some statistics, and their derivatives; `direct` has the keys of the
 * statistics that something reaches beside what comes through other numbers.
 */
export function planColumns(
  statistics: Iterable<Statistic>,
  parameters: Iterable<string>,
  direct: ReadonlySet<string>,
): ColumnPlan {
  const passes = passesOf(statistics);
  const outerFirst = passes.flat().reverse();
  const through: RowNumber[] = [];
  const isReached = (key: string): boolean => direct.has(key) || through.some((number) => number.key === key);
  /** Σ over the numbers of what reaches them times their derivative. */
  const derivative = (isVariable: (a: ColumnAtom) => boolean): RunExpression =>
    outerFirst.reduce<RunExpression>((sum, s) => {
      const slope = running(differentiate(s.body, isVariable));
      return isConstant(slope, 0) || !isReached(keyOf(s)) ? sum : add(sum, shared(s, slope));
    }, constant(0));
  for (const s of outerFirst) {
    const key = keyOf(s);
    const body = derivative((a) => a.kind === "overColumns" && keyOf(columnsStatistic(a)) === key);
    if (!isConstant(body, 0)) through.push({ key, aggregate: "sum", body });
  }
  return {
    forward: forwardPasses(passes, isReached),
    through,
    predictions: derivative(({ kind }) => kind === "prediction"),
    targets: derivative(({ kind }) => kind === "target"),
    parameters: new Map(
      [...parameters].flatMap((name) => {
        const body = derivative((a) => a.kind === "parameter" && a.name === name);
        return isConstant(body, 0) ? [] : [[name, body] as const];
      }),
    ),
  };
}

/** An atom of a loss as a statistic of the plan. */
export function columnsStatistic({ aggregate, body }: ColumnsAtom): ColumnsStatistic {
  return { kind: "columns", aggregate, body };
}

/** The numbers over the columns that some statistics are and read, in passes: each reads those before it. */
function passesOf(statistics: Iterable<Statistic>): readonly (readonly ColumnsStatistic[])[] {
  const passes: ColumnsStatistic[][] = [];
  const known = new Map<string, number>();
  const visit = (s: ColumnsStatistic): number => {
    const key = keyOf(s);
    const seen = known.get(key);
    if (seen !== undefined) return seen;
    const pass = innerColumns(s.body).reduce((latest, inner) => Math.max(latest, 1 + visit(inner)), 0);
    known.set(key, pass);
    passes[pass] ??= [];
    passes[pass].push(s);
    return pass;
  };
  for (const s of statistics) if (s.kind === "columns") visit(s);
  return passes;
}

function innerColumns(body: ColumnExpression): readonly ColumnsStatistic[] {
  return atomsOf(body).flatMap((a) => (a.kind === "overColumns" ? [columnsStatistic(a)] : []));
}

/** After a maximum that has a gradient comes the number of columns that share it. */
function forwardPasses(
  passes: readonly (readonly ColumnsStatistic[])[],
  isReached: (key: string) => boolean,
): readonly (readonly RowNumber[])[] {
  const forward: RowNumber[][] = [];
  const put = (pass: number, number: RowNumber): void => {
    forward[pass] ??= [];
    forward[pass].push(number);
  };
  passes.forEach((pass, i) => {
    for (const s of pass) {
      const key = keyOf(s);
      put(i, { key, aggregate: s.aggregate, body: running(s.body) });
      if (s.aggregate === "max" && isReached(key))
        put(i + 1, { key: countKey(key), aggregate: "sum", body: isHighest(s) });
    }
  });
  return forward;
}

/** What reaches a number times each column's share of it times the slope of its body there. */
function shared(s: ColumnsStatistic, slope: RunExpression): RunExpression {
  const key = keyOf(s);
  const cotangent: RunExpression = atom({ kind: "cotangent", key });
  switch (s.aggregate) {
    case "sum":
      return weigh(cotangent, slope);
    case "mean":
      return weigh(divide(cotangent, atom<RunAtom>({ kind: "columnCount" })), slope);
    case "max": {
      const each = divide(cotangent, atom<RunAtom>({ kind: "columns", key: countKey(key) }));
      return weigh(multiply(each, isHighest(s)), slope);
    }
  }
}

function isHighest(s: ColumnsStatistic): RunExpression {
  return atom({ kind: "isHighest", body: running(s.body), maximum: atom({ kind: "columns", key: keyOf(s) }) });
}

function countKey(key: string): string {
  return `columns that have ${key}`;
}

/** An expression with the numbers over the columns in it by their keys. */
function running(e: ColumnExpression): RunExpression {
  return substitute<ColumnAtom, RunAtom>(e, (a) =>
    a.kind === "overColumns" ? atom({ kind: "columns", key: keyOf(columnsStatistic(a)) }) : atom(a),
  );
}
