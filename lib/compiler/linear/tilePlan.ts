/** What is read of a tile of columns, so that the statistics of whole rows follow from those of their tiles. */
import { isOfLabel, type StatisticName } from "../../kernels/rowStatistics.ts";
import { keyOf, type Statistic } from "../narrow.ts";
import type { Plan } from "../plan.ts";
import { type OfKind, wantedOf } from "../state.ts";

const known = new WeakMap<Plan, Plan>();

/**
 * The plan of a tile: m and s of each view, with t and r where whole rows have a label, e, and the sums over the vocabulary; beside each
 * cross entropy the sum of its weights. Its cotangents are those that a tile gets from its rows'.
 */
export function tilePlan(plan: Plan): Plan {
  const made = known.get(plan) ?? makePlan(plan);
  known.set(plan, made);
  return made;
}

function makePlan(plan: Plan): Plan {
  const statistics = [...ofViews(plan), ...[...plan.statistics.values()].flatMap(sumsOfTile)];
  return {
    ...plan,
    statistics: new Map(statistics.map((s) => [keyOf(s), s])),
    cotangents: { statistics: reachedIn(plan), expressions: [] },
  };
}

function ofViews(plan: Plan): readonly Statistic[] {
  return [...plan.views].flatMap(([key, view]) => {
    const wanted = wantedOf(plan, key);
    const names: readonly StatisticName[] = [
      ...(["m", "s"] as const),
      ...(isOfLabel({ wanted }) ? (["t", "r"] as const) : []),
      ...(wanted.has("e") ? (["e"] as const) : []),
    ];
    return names.map((kind): Statistic => ({ kind, view }));
  });
}

/** What of a tile adds up to a sum over the vocabulary. */
function sumsOfTile(s: Statistic): readonly Statistic[] {
  switch (s.kind) {
    case "dot":
    case "targetSum":
      return [s];
    case "crossEntropy":
      return [s, weightsOf(s)];
    default:
      return [];
  }
}

/** The sum of the weights of a cross entropy. */
export function weightsOf({ weighting, table }: OfKind<"crossEntropy">): OfKind<"targetSum"> {
  return { kind: "targetSum", weighting, table };
}

/** The statistics of a tile that something reaches, by key, if it reaches those of the row. */
function reachedIn(plan: Plan): readonly string[] {
  const reached = new Set(plan.cotangents.statistics);
  return [...plan.views].flatMap(([key, view]) => {
    const has = (kind: StatisticName): boolean => reached.has(keyOf({ kind, view }));
    const dots = [...plan.statistics].flatMap(([of, s]) => (isDotOf(s, key) && reached.has(of) ? [{ of, s }] : []));
    const throughShares = has("e") || dots.some(({ s }) => s.kind === "crossEntropy");
    const names: readonly (StatisticName | null)[] = [
      has("s") || has("n") || has("r") || throughShares ? "s" : null,
      has("n") || has("t") ? "t" : null,
      has("n") || has("r") ? "r" : null,
      has("e") ? "e" : null,
    ];
    return [...names.flatMap((kind) => (kind === null ? [] : [keyOf({ kind, view })])), ...dots.map(({ of }) => of)];
  });
}

function isDotOf(s: Statistic, view: string): boolean {
  return (s.kind === "dot" || s.kind === "crossEntropy") && keyOf(s.view) === view;
}
