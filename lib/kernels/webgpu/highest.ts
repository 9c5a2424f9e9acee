/**
 * Finds the highest entry of a row, or of a part of one, in each view; where the label is left out, of the others. A row that
 * holds NaN or +∞ has no statistics, and sets the view's bit of `flaws`.
 */
import { at, declareEntry, declareScale, entry, logitOf, lowest, scaleOf } from "./entries.ts";
import type { IndexedView, ViewPlan } from "./plan.ts";
import type { Reduced } from "./reduce.ts";

/** A word with one bit set. */
export function bit(position: number): string {
  return `${2 ** position}u`;
}

/** Whether the position of the highest entry is needed: since it is left out, or for its bias. */
export function isPlaced({ bias, isLabelled }: ViewPlan): boolean {
  return !isLabelled || bias !== null;
}

export function highestOf(views: readonly IndexedView[]): readonly Reduced[] {
  const tops = views.map((view): Reduced => {
    const name = `top${view.v}`;
    return isPlaced(view) ? { name, by: "max", position: `topAt${view.v}` } : { name, by: "max" };
  });
  return [{ name: "flaws", by: "or" }, ...tops];
}

export function declareHighest(view: IndexedView): string {
  const { v } = view;
  return `
  var top${v} = -3.4e38;
  var topAt${v} = 0;
  ${declareHeight(view)}`;
}

/** Declares what `height` needs. */
export function declareHeight(view: IndexedView): string {
  const { v, cap } = view;
  const fromZero = `let capped${v}FromZero = cappedFrom(0.0, ${scaleOf(view, v)}, ${cap});`;
  return `
  ${declareScale(view, v)}
  ${cap === null ? "" : fromZero}`;
}

/** A number that orders the entries of a view, and whether a row that holds it as `height` has no statistics. */
export function height(view: IndexedView, z: string, j: string): { readonly value: string; readonly flaw: string } {
  const { v, cap, bias } = view;
  if (cap !== null) {
    const flaw = `isNotANumber(${z})`;
    // A cap makes finite numbers of infinities.
    if (bias === null) return { value: `clamp(${z}, -3e38, 3e38)`, flaw };
    const capped = `cappedDifference(capped${v}FromZero, ${z}) + ${at(bias, j)}`;
    return { value: capped, flaw: `${flaw} || isFlaw(${at(bias, j)})` };
  }
  const value = bias === null ? z : `fma(${scaleOf(view, v)}, ${z}, ${at(bias, j)})`;
  return { value, flaw: "isFlaw(height)" };
}

export function findHighest(view: IndexedView): string {
  const { v, isLabelled, label } = view;
  const { value, flaw } = height(view, logitOf(view), "j");
  const found = `top${v} = max(top${v}, select(height, top${v}, j == ${label}));`;
  const placed = `if (height > top${v}${isLabelled ? ` && j != ${label}` : ""}) {
        top${v} = height;
        topAt${v} = j;
      }`;
  return `{
      let height = ${value};
      flaws |= select(0u, ${bit(v)}, ${flaw});
      ${isPlaced(view) ? placed : found}
    }`;
}

/** The origin is the highest entry, or where there is none that of the label; what is left out of sums is `excluded`. */
export function declareOrigin(view: IndexedView): string {
  const { v, bias, isLabelled, label } = view;
  const z = (position: string): string => `${view.of}[start + ${position}]`;
  const y = `excluded${v}`;
  const placed = `
  let originAt${v} = select(${y}, topAt${v}, isFound${v});
  let origin${v} = ${z(`originAt${v}`)};`;
  return `
  let isFound${v} = top${v} > ${lowest};
  let ${y} = ${isLabelled ? label : `topAt${v}`};
  ${isPlaced(view) ? placed : `let origin${v} = select(${z(label)}, top${v}, isFound${v});`}
  ${bias === null ? "" : `let originBias${v} = ${at(bias, `originAt${v}`)};`}
  ${declareEntry(view, v)}
  let ownLogit${v} = ${z(y)};
  ${declareShift(view)}`;
}

/** By how much the entry that is left out lies above the origin. */
export function declareShift(view: IndexedView): string {
  const { v } = view;
  return `let shift${v} = max(0.0, ${entry(view, v, `ownLogit${v}`, `excluded${v}`)});`;
}
