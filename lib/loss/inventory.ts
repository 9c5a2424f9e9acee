/**
 * What a loss holds beside its formula: its fields, its trainable parameters, whether it has a schedule.
 */
import type { ColumnNeeds } from "./batch.ts";
import { type LabelReading, labelReadingOfAtoms } from "./candidates.ts";
import { LossError } from "./error.ts";
import { atomsOf, type Expression } from "./expression.ts";
import { type Field, isScheduledField } from "./field.ts";
import {
  type AnyLoss,
  type ClassAtom,
  type ColumnAtom,
  type ColumnExpression,
  closedTerms,
  hasClassBody,
  type Term,
} from "./loss.ts";
import type { ParameterAtom } from "./parameter.ts";
import { showField } from "./show.ts";
import type { View } from "./view.ts";

type Atom = ClassAtom | ColumnAtom;

/** Adds the atoms of an expression to those that were found, the ones inside atoms too; each is looked into once. */
function collect(e: Expression<Atom>, found: Set<Atom>): void {
  for (const a of atomsOf(e)) {
    if (found.has(a)) continue;
    found.add(a);
    if (a.kind === "overColumns" || hasClassBody(a)) collect(a.body, found);
    if (a.kind === "aggregate" && a.over === "highest") collect(a.share, found);
    if (!("view" in a)) continue;
    if (a.kind === "wholeRow" && a.of.kind === "entmax") collect(a.of.alpha, found);
    collectOfView(a.view, found);
  }
}

function collectOfView({ scale, cap, bias }: View, found: Set<Atom>): void {
  collect(scale, found);
  if (cap !== null) collect(cap, found);
  collect(bias, found);
}

function isOverColumns({ kind }: ColumnAtom): boolean {
  return kind === "overColumns";
}

/** The atoms of an expression over the columns, those of the ones inside it too. */
export function columnAtomsOf(e: ColumnExpression): readonly ColumnAtom[] {
  const found = new Set<Atom>();
  collect(e, found);
  return [...found] as ColumnAtom[];
}

function atomsOfTerms(terms: readonly Term[]): readonly Atom[] {
  const found = new Set<Atom>();
  for (const { targets, value, weight } of terms) {
    if (typeof targets !== "string") collectOfView(targets, found);
    collect(value, found);
    collect(weight, found);
  }
  return [...found];
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

/** The ids beside the label that a loss reads of its rows; the batch has to give some, and all need integer labels. */
export function labelReadingOf(loss: AnyLoss): LabelReading {
  return labelReadingOfAtoms(atomsOfTerms(closedTerms(loss)));
}

/** What a loss over values asks of the columns of a row. */
export function columnNeeds(loss: AnyLoss): ColumnNeeds {
  const atoms = atomsOfTerms(loss.terms);
  return {
    compares: atoms.some(
      (a) => a.kind === "overColumns" && (a.aggregate !== "mean" || columnAtomsOf(a.body).some(isOverColumns)),
    ),
    parts: [...new Set(atoms.flatMap((a) => (a.kind === "part" ? [a.parts] : [])))],
  };
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
