/**
 * Per-class expressions of one row, and their gradient, in float64.
 */
import { differentiate } from "../loss/differentiate.ts";
import { atomsOf, binaryNumber, interpreter } from "../loss/expression.ts";
import { aggregateEntries, type Entries, entriesAlgebra, type Field } from "../loss/field.ts";
import { highestRows } from "../loss/highest.ts";
import type { ClassAtom, ClassExpression, HighestAtom, SharedAtom, Term } from "../loss/loss.ts";
import { at, numberAlgebra, stepValue } from "../loss/schedule.ts";
import type { View } from "../loss/view.ts";
import { addColumnsGradient, columnsValue } from "./columns.ts";
import { type PlainRows, positionOf, sequenceLength } from "./plainBatch.ts";
import { addAtomGradient, softmaxOf } from "./softmax.ts";
import { wholeRow } from "./wholeRow.ts";

/** The weight of each class in a row. */
export type TargetsOf = (row: number) => Float64Array;

/** The meaning of per-class expressions for one row of a term with these targets: a number, or one for each class. */
export function classMeaning(
  rows: PlainRows,
  row: number,
  targets: TargetsOf = rows.targets,
): (e: ClassExpression) => Entries {
  const meaning = (a: ClassAtom): Entries => {
    switch (a.kind) {
      case "step":
        return stepValue(a, rows.step);
      case "vocabularySize":
        return rows.classes;
      case "parameter":
        return rows.parameter(a);
      case "nll":
      case "logOdds":
      case "logsumexp":
      case "entropy":
        return softmaxOf(viewedLogits(a.view, rows, row))[a.kind];
      case "wholeRow":
        return wholeRow(a.of, viewedLogits(a.view, rows, row), rows.step).value;
      case "weight":
        return rows.weights(a.field as Field);
      case "target":
        return targets(row);
      case "classSum":
        return aggregateEntries("sum", visit(a.body), rows.classes);
      case "candidateSum":
        return total(rows.candidates(a.candidates, row).map((c) => entryAt(visit(a.body), c)));
      case "isCandidate":
      case "inRepeat":
        return rows.labelFact(a, row);
      case "input":
        return rows.inputs.get(a.name)?.[row] ?? Number.NaN;
      case "position":
        return positionOf(rows, row);
      case "overColumns":
        return columnsValue(a, rows, row);
      case "aggregate": {
        if (a.over === "highest") return highestOf(a, rows, targets)[row];
        const members = membersOf(a, rows, row);
        return shareOf(a, members) * total(members.map((member) => targetSum(a.body, rows, member, targets)));
      }
    }
  };
  const visit = interpreter(entriesAlgebra(meaning));
  return visit;
}

/** A row of values is taken for one class that counts once. */
const once = Float64Array.of(1);
const ofValues: TargetsOf = () => once;

/** What the classes of a term's rows are added by: the labels, or the softmax of the teacher's logits. */
export function targetsOf({ targets }: Term, rows: PlainRows): TargetsOf {
  if (targets === "values") return ofValues;
  if (targets === "labels") return rows.targets;
  return (row) => softmaxOf(viewedLogits(targets, rows, row)).nll.map((x) => Math.exp(-x));
}

/** Σ_c q_c e_c with q the targets of the row. */
export function targetSum(e: ClassExpression, rows: PlainRows, row: number, targets: TargetsOf): number {
  const entries = classMeaning(rows, row, targets)(e);
  return total(Array.from(targets(row), (q, c) => binaryNumber.weigh(q, entryAt(entries, c))));
}

export function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, x) => sum + x, 0);
}

/** Of a batch, by the targets that an atom is seen with: found once for all rows. */
const found = new WeakMap<PlainRows, Map<TargetsOf, Map<HighestAtom, Float32Array>>>();

/** 1 for the rows that are the highest, 0 for the others. */
function highestOf(a: HighestAtom, rows: PlainRows, targets: TargetsOf): Float32Array {
  const ofBatch = found.get(rows) ?? new Map<TargetsOf, Map<HighestAtom, Float32Array>>();
  found.set(rows, ofBatch);
  const known = ofBatch.get(targets) ?? new Map<HighestAtom, Float32Array>();
  ofBatch.set(targets, known);
  const chosen =
    known.get(a) ??
    highestRows(
      rows.indices.map((row) => entryAt(classMeaning(rows, row, targets)(a.body), 0)),
      (row) => rows.valid[row],
      at(a.share, rows.step),
    );
  known.set(a, chosen);
  return chosen;
}

/** The valid rows that an aggregate at `row` is over. */
function membersOf({ over }: SharedAtom, rows: PlainRows, row: number): readonly number[] {
  if (over === "row") return rows.valid[row] ? [row] : [];
  const sequence = (index: number): number => Math.floor(index / sequenceLength(rows));
  return rows.indices.filter((i) => rows.valid[i] && (over === "batch" || sequence(i) === sequence(row)));
}

/** What each member counts for. */
function shareOf({ over }: SharedAtom, members: readonly number[]): number {
  return over === "batch" ? 1 / members.length : 1;
}

function scaleOf(view: View, rows: PlainRows): number {
  return interpreter(
    numberAlgebra((a: AtomOf<View["scale"]>) => (a.kind === "step" ? stepValue(a, rows.step) : rows.parameter(a))),
  )(view.scale);
}

function capOf({ cap }: View, rows: PlainRows): number | null {
  return cap === null ? null : at(cap, rows.step);
}

type AtomOf<E> = E extends { readonly kind: "atom"; readonly atom: infer A } ? A : never;

/** z'_j = bias_j + cap · tanh(scale · z_j / cap). */
function viewedLogits(view: View, rows: PlainRows, row: number): Float64Array {
  const scale = scaleOf(view, rows);
  const cap = capOf(view, rows);
  const bias = classMeaning(rows, row)(view.bias);
  return Float64Array.from(rows[view.of][row], (z, c) => {
    const scaled = scale * z;
    return entryAt(bias, c) + (cap === null ? scaled : cap * Math.tanh(scaled / cap));
  });
}

/** ∂z'_j / ∂z_j. */
function viewSlope(view: View, rows: PlainRows, z: number): number {
  const scale = scaleOf(view, rows);
  const cap = capOf(view, rows);
  return cap === null ? scale : scale * (1 - Math.tanh((scale * z) / cap) ** 2);
}

/**
 * Adds ∂(Σ_c seed_c e_c) / ∂z_j to `into`, [rows][V], for e at a row of a term with these targets; of a loss over values,
 * ∂(seed · e) / ∂prediction_j.
 */
export function addInputGradient(
  e: ClassExpression,
  seed: Entries,
  rows: PlainRows,
  row: number,
  targets: TargetsOf,
  into: readonly Float64Array[],
): void {
  const visit = classMeaning(rows, row, targets);
  for (const a of atomsOf(e)) {
    if (!("body" in a) && !("view" in a && a.view.of === "logits")) continue;
    const derivative = visit(differentiate(e, (b) => b === a));
    const width = typeof seed === "number" ? rows.classes : seed.length;
    const g = Float64Array.from({ length: width }, (_, c) =>
      binaryNumber.weigh(entryAt(seed, c), entryAt(derivative, c)),
    );
    if (a.kind === "overColumns") {
      addColumnsGradient(a, aggregateEntries("sum", g, width), rows, row, into);
      continue;
    }
    if (a.kind === "classSum") {
      addInputGradient(a.body, aggregateEntries("sum", g, width), rows, row, targets, into);
      continue;
    }
    if (a.kind === "candidateSum") {
      const each = aggregateEntries("sum", g, width);
      const seeds = new Float64Array(rows.classes);
      for (const c of rows.candidates(a.candidates, row)) seeds[c] = each;
      addInputGradient(a.body, seeds, rows, row, targets, into);
      continue;
    }
    if (a.kind === "aggregate") {
      if (a.over === "highest") continue;
      const members = membersOf(a, rows, row);
      const each = shareOf(a, members) * aggregateEntries("sum", g, width);
      for (const member of members) {
        const seeds = targets(member).map((q) => binaryNumber.weigh(q, each));
        addInputGradient(a.body, seeds, rows, member, targets, into);
      }
      continue;
    }
    const viewed = new Float64Array(rows.classes);
    const shown = viewedLogits(a.view, rows, row);
    if (a.kind === "wholeRow") {
      const all = total([...g]);
      viewed.set(wholeRow(a.of, shown, rows.step).gradient.map((x) => binaryNumber.weigh(all, x)));
    } else addAtomGradient(a.kind, g, softmaxOf(shown), viewed);
    viewed.forEach((x, j) => {
      into[row][j] += x * viewSlope(a.view, rows, rows.logits[row][j]);
    });
  }
}

function entryAt(entries: Entries, c: number): number {
  return typeof entries === "number" ? entries : entries[c];
}
