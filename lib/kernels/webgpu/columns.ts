/** What the forward pass writes for each row, one number a column of the packed tensor [N, K]. */
import { labelsOf, type StatisticName, type ViewInput, type WideInput } from "../rowStatistics.ts";

export const statisticNames: readonly StatisticName[] = ["m", "s", "n", "t", "r", "e"];

/** The columns of a view; null for what is not wanted. */
export interface ViewColumns extends Readonly<Record<StatisticName, number | null>> {
  readonly dots: readonly number[];
  readonly state: StateColumns;
}

/**
 * What the backward pass needs of a view beside the logits, with x_j = z_j − o for the origin o that the view's entries
 * are taken relative to, and y the entry that is left out: the label, or the highest entry.
 */
export interface StateColumns {
  /** The logit that is the origin, or with a bias its position; NaN in a row that has no statistics. */
  readonly origin: number | null;
  /** y, where it is not the label. */
  readonly excluded: number | null;
  /** What exp(x_j) is multiplied by to give p_j for j ≠ y. */
  readonly share: number | null;
  /** 1 / Σ_{j≠y} exp(x_j). */
  readonly inverseOfOthers: number | null;
  /** 1 − p_y. */
  readonly others: number | null;
  /** p_y. */
  readonly probability: number | null;
  /** Σ_j p_j x_j. */
  readonly center: number | null;
  /** x_y − Σ_j p_j x_j. */
  readonly ownAboveCenter: number | null;
  /** Of each dot that is a cross entropy Σ_j w_j u_j nll_j; null for others. */
  readonly dots: readonly (WeightColumns | null)[];
}

export interface WeightColumns {
  /** Σ_{j≠y} w_j u_j. */
  readonly others: number;
  /** w_y u_y. */
  readonly own: number;
}

export interface PackedColumns {
  readonly views: readonly ViewColumns[];
  /** K. */
  readonly count: number;
}

/** Where each statistic is in the packed tensor of a forward call. */
export function packedColumns(input: WideInput): PackedColumns {
  const { views } = input;
  let count = 0;
  const column = (present: boolean): number | null => (present ? count++ : null);
  const columns = views.map((view, index): ViewColumns => {
    const isLabelled = labelsOf(input, view) !== null;
    const wants = (...names: readonly StatisticName[]): boolean =>
      names.some((name) => isWanted(view, name, isLabelled));
    const weighs = isWeight(views, index);
    const hasNll = view.dots.some(({ times }) => times === "nll");
    const isRead = weighs || view.dots.length > 0 || wants(...statisticNames);
    return {
      m: column(wants("m")),
      s: column(wants("s")),
      n: column(wants("n")),
      t: column(wants("t")),
      r: column(wants("r")),
      e: column(wants("e")),
      dots: view.dots.map(() => count++),
      state: {
        origin: column(isRead),
        excluded: column(!isLabelled && (weighs || hasNll || wants("s", "e"))),
        share: column(weighs || hasNll || wants("s", "n", "e")),
        inverseOfOthers: column(wants("r")),
        others: column(hasNll || wants("n")),
        probability: column(weighs || hasNll || wants("s", "e")),
        center: column(wants("e")),
        ownAboveCenter: column(wants("e")),
        dots: view.dots.map(({ times }) => (times === "nll" ? { others: count++, own: count++ } : null)),
      },
    };
  });
  return { views: columns, count };
}

/** Whether a statistic is wanted and there is one: n, t and r are at the label. */
export function isWanted({ wanted }: Pick<ViewInput, "wanted">, name: StatisticName, isLabelled: boolean): boolean {
  return wanted.has(name) && (isLabelled || name === "m" || name === "s" || name === "e");
}

/** Whether the softmax of a view weighs a dot. */
export function isWeight(views: readonly Pick<ViewInput, "dots">[], index: number): boolean {
  return views.some(({ dots }) => dots.some(({ weights }) => weights === index));
}
