/**
 * What a loss holds beside its formula: its fields, its trainable parameters, whether it has a schedule.
 */
import { LossError } from "./error.ts";
import { atomsOf } from "./expression.ts";
import { type Field, isScheduledField } from "./field.ts";
import {
  type AnyLoss,
  type ClassAtom,
  type ClassExpression,
  type ColumnAtom,
  type ColumnExpression,
  closedTerms,
  type Term,
} from "./loss.ts";
import type { ParameterAtom } from "./parameter.ts";
import { showField } from "./show.ts";
import type { View } from "./view.ts";

function atomsWithin(e: ClassExpression): readonly (ClassAtom | ColumnAtom)[] {
  return atomsOf(e).flatMap((a): readonly (ClassAtom | ColumnAtom)[] => {
    if (a.kind === "overColumns") return [a, ...columnAtomsOf(a.body)];
    if (a.kind === "aggregate" && a.over === "highest") return [a, ...atomsOf(a.share), ...atomsWithin(a.body)];
    if (a.kind === "classSum" || a.kind === "aggregate") return [a, ...atomsWithin(a.body)];
    if (!("view" in a)) return [a];
    const own = a.kind === "wholeRow" && a.of.kind === "entmax" ? atomsOf(a.of.alpha) : [];
    return [a, ...own, ...atomsOfView(a.view)];
  });
}

function isOverColumns({ kind }: ColumnAtom): boolean {
  return kind === "overColumns";
}

/** The atoms of an expression over the columns, those of the ones inside it too. */
export function columnAtomsOf(e: ColumnExpression): readonly ColumnAtom[] {
  return atomsOf(e).flatMap((a) => (a.kind === "overColumns" ? [a, ...columnAtomsOf(a.body)] : [a]));
}

function atomsOfView(view: View): readonly (ClassAtom | ColumnAtom)[] {
  return [...atomsOf(view.scale), ...(view.cap === null ? [] : atomsOf(view.cap)), ...atomsWithin(view.bias)];
}

function atomsOfTerms(terms: readonly Term[]): readonly (ClassAtom | ColumnAtom)[] {
  return terms.flatMap(({ targets, value, weight }) => [
    ...(typeof targets === "string" ? [] : atomsOfView(targets)),
    ...atomsWithin(value),
    ...atomsWithin(weight),
  ]);
}

/** The names of the numbers that a batch gives for each row, each once. */
export function inputsOf(loss: AnyLoss): readonly string[] {
  const names = atomsOfTerms(closedTerms(loss)).flatMap((a) => (a.kind === "input" ? [a.name] : []));
  return [...new Set(names)];
}

/** Whether a loss reads a teacher's logits. */
export function hasTeacher(loss: AnyLoss): boolean {
  const terms = closedTerms(loss);
  return (
    terms.some(({ targets }) => typeof targets !== "string") ||
    atomsOfTerms(terms).some((a) => "view" in a && a.view.of === "teacher")
  );
}

/** Whether a row's value is more than averages over its columns. */
export function comparesColumns(loss: AnyLoss): boolean {
  return atomsOfTerms(loss.terms).some(
    (a) => a.kind === "overColumns" && (a.aggregate !== "mean" || columnAtomsOf(a.body).some(isOverColumns)),
  );
}

/** The weight fields of a loss, each once, in order of appearance. */
export function fieldsOf(loss: AnyLoss): readonly Field[] {
  const fields = atomsOfTerms(closedTerms(loss)).flatMap((a) => (a.kind === "weight" && a.field ? [a.field] : []));
  return [...new Set(fields)];
}

/** Whether any number in a loss changes with the step. */
export function isScheduledLoss(loss: AnyLoss): boolean {
  return atomsOfTerms(closedTerms(loss)).some((a) => a.kind === "step") || fieldsOf(loss).some(isScheduledField);
}

/** The trainable parameters of a loss, each once, by name. */
export function parametersOf(loss: AnyLoss): ReadonlyMap<string, ParameterAtom> {
  const parameters = new Map<string, ParameterAtom>();
  for (const a of atomsOfTerms(closedTerms(loss))) {
    if (a.kind !== "parameter") continue;
    const known = parameters.get(a.name) ?? a;
    if (known.init !== a.init) {
      throw new LossError(
        `parameter("${a.name}")`,
        `it has the initial values ${known.init} and ${a.init} in one loss`,
        "Give one name to one parameter, with one initial value",
      );
    }
    parameters.set(a.name, a);
  }
  return parameters;
}

/** Throws where a field's vocabulary is not that of the logits. */
export function checkVocabulary(fields: readonly Field[], classes: number): void {
  for (const field of fields) {
    const size = field.source.values.length;
    if (size === classes) continue;
    throw new LossError(
      showField(field),
      `the field has ${size} entries and the logits have ${classes} classes`,
      size < classes
        ? `Count with vocabSize ${classes} (added tokens included), or give ${classes} weights`
        : `Give logits over the ${size} entries that were counted`,
    );
  }
}
