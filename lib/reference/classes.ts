/**
 * Per-class expressions of one row, and their gradient, in float64.
 */
import { differentiate } from "../loss/differentiate.ts";
import { atomsOf, binaryNumber, interpreter } from "../loss/expression.ts";
import { aggregateEntries, type Entries, entriesAlgebra, type Field } from "../loss/field.ts";
import type { ClassAtom, ClassExpression, Term } from "../loss/loss.ts";
import { numberAlgebra } from "../loss/schedule.ts";
import type { View } from "../loss/view.ts";
import type { PlainRows } from "./plainBatch.ts";
import { addAtomGradient, softmaxOf } from "./softmax.ts";

/** The meaning of per-class expressions for one row: a number, or one for each class. */
export function classMeaning(rows: PlainRows, row: number): (e: ClassExpression) => Entries {
  const meaning = (a: ClassAtom): Entries => {
    switch (a.kind) {
      case "step":
        return rows.step;
      case "vocabularySize":
        return rows.classes;
      case "parameter":
        return rows.parameter(a);
      case "nll":
      case "logOdds":
      case "logsumexp":
      case "entropy":
        return softmaxOf(viewedLogits(a.view, rows, row))[a.kind];
      case "weight":
        return rows.weights(a.field as Field);
      case "classSum":
        return aggregateEntries("sum", visit(a.body), rows.classes);
    }
  };
  const visit = interpreter(entriesAlgebra(meaning));
  return visit;
}

/** What the classes of a row are added by: the labels, or the softmax of the teacher's logits. */
export function targetsOf({ targets }: Term, rows: PlainRows, row: number): Float64Array {
  if (targets === "labels") return rows.targets(row);
  return softmaxOf(viewedLogits(targets, rows, row)).nll.map((x) => Math.exp(-x));
}

function scaleOf(view: View, rows: PlainRows): number {
  return interpreter(numberAlgebra((a: AtomOf<View["scale"]>) => (a.kind === "step" ? rows.step : rows.parameter(a))))(
    view.scale,
  );
}

type AtomOf<E> = E extends { readonly kind: "atom"; readonly atom: infer A } ? A : never;

/** z'_j = bias_j + cap · tanh(scale · z_j / cap). */
function viewedLogits(view: View, rows: PlainRows, row: number): Float64Array {
  const scale = scaleOf(view, rows);
  const bias = classMeaning(rows, row)(view.bias);
  return Float64Array.from(rows[view.of][row], (z, c) => {
    const scaled = scale * z;
    return entryAt(bias, c) + (view.cap === null ? scaled : view.cap * Math.tanh(scaled / view.cap));
  });
}

/** ∂z'_j / ∂z_j. */
function viewSlope(view: View, rows: PlainRows, z: number): number {
  const scale = scaleOf(view, rows);
  return view.cap === null ? scale : scale * (1 - Math.tanh((scale * z) / view.cap) ** 2);
}

/** Adds ∂(Σ_c seed_c e_c) / ∂z_j to `into`, for the logits z of a row. */
export function addLogitsGradient(
  e: ClassExpression,
  seed: Entries,
  rows: PlainRows,
  row: number,
  into: Float64Array,
): void {
  const visit = classMeaning(rows, row);
  for (const a of atomsOf(e)) {
    if (a.kind !== "classSum" && !("view" in a && a.view.of === "logits")) continue;
    const derivative = visit(differentiate(e, (b) => b === a));
    const g = Float64Array.from({ length: rows.classes }, (_, c) =>
      binaryNumber.weigh(entryAt(seed, c), entryAt(derivative, c)),
    );
    if (a.kind === "classSum") {
      addLogitsGradient(a.body, aggregateEntries("sum", g, rows.classes), rows, row, into);
      continue;
    }
    const viewed = new Float64Array(rows.classes);
    addAtomGradient(a.kind, g, softmaxOf(viewedLogits(a.view, rows, row)), viewed);
    viewed.forEach((x, j) => {
      into[j] += x * viewSlope(a.view, rows, rows.logits[row][j]);
    });
  }
}

function entryAt(entries: Entries, c: number): number {
  return typeof entries === "number" ? entries : entries[c];
}
