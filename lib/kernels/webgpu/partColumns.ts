/** What is kept of a part of a row between the two programs that read a row in parts: numbers, by their columns. */
import { isPlaced } from "./highest.ts";
import { type IndexedDot, type IndexedView, indexedDots, indexedViews, type RowsPlan } from "./plan.ts";
import { exponentialSumsOf, lostOf } from "./sums.ts";

export interface PartOfView {
  /** What orders the highest entries, at or below `lowest` where there is none. */
  readonly top: number;
  /** The logit that the sums are relative to; the same as `top` where its place is not needed. */
  readonly logit: number;
  /** Where that is. */
  readonly at: number | null;
}

export interface PartOfDot {
  /** Σ w_j u_j. */
  readonly weight: number | null;
  /** Of a cross entropy w u at the part's highest entry, which `weight` then leaves out. */
  readonly own: number | null;
  /** Of a dot by a softmax: the largest of the exponentials that weigh an entry of −∞. */
  readonly lost: number | null;
}

/** The numbers of a part, by their columns. */
export interface PartColumns {
  readonly flaws: number;
  readonly views: ReadonlyMap<number, PartOfView>;
  readonly dots: ReadonlyMap<string, PartOfDot>;
  /** Sums and words of bits, by the names of their variables; a word takes two columns. */
  readonly named: ReadonlyMap<string, number>;
  /** The labels' logits and targets, by what they are in WGSL, where a view leaves the label out. */
  readonly own: ReadonlyMap<string, number>;
  readonly count: number;
}

export function columnsOf(plan: RowsPlan): PartColumns {
  const views = indexedViews(plan);
  const dots = indexedDots(views);
  let count = 0;
  const column = (width = 1): number => {
    count += width;
    return count - width;
  };
  const own = plan.labels.flatMap((label) =>
    ["logits", "teacher", "targets"].filter((name) => isRead(views, dots, name)).map((name) => ownName(name, label)),
  );
  return {
    flaws: column(),
    views: new Map(
      views.map((view) => {
        const top = column();
        const placed = isPlaced(view);
        return [view.v, { top, logit: placed ? column() : top, at: placed ? column() : null }];
      }),
    ),
    dots: new Map(
      dots.map(({ sum, times, weights, view }) => [
        sum,
        {
          weight: times === "nothing" ? null : column(),
          own: times === "nll" && !view.isLabelled ? column() : null,
          lost: times === "nll" && typeof weights === "number" ? column() : null,
        },
      ]),
    ),
    named: new Map([
      ...[...exponentialSumsOf(views), ...dots.map(({ sum }) => sum)].map((name) => [name, column()] as const),
      ...lostOf(dots).map(({ name }) => [name, column(2)] as const),
    ]),
    own: new Map(own.map((name) => [name, column()])),
    count,
  };
}

/** A label's number in an input. */
export function ownName(input: string, label: string): string {
  return `${input}[start + ${label}]`;
}

function isRead(views: readonly IndexedView[], dots: readonly IndexedDot[], name: string): boolean {
  return views.some(({ of }) => of === name) || dots.some(({ weights }) => weights === name);
}

/** How many numbers are kept of a part. */
export function partWidth(plan: RowsPlan): number {
  return columnsOf(plan).count;
}
