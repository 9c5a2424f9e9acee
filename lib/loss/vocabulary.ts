/**
 * The part of a loss that does not look at the logits: its fields, its size, whether it has a schedule.
 */
import { LossError } from "./error.ts";
import { atomsOf } from "./expression.ts";
import { type Field, isScheduledField } from "./field.ts";
import type { AnyLoss } from "./loss.ts";
import { type ClassAtom, type ClassExpression, closedTerms, type Term } from "./loss.ts";
import { showField } from "./show.ts";

function atomsWithin(e: ClassExpression): readonly ClassAtom[] {
  return atomsOf(e).flatMap((a) => (a.kind === "classSum" ? [a, ...atomsWithin(a.body)] : [a]));
}

function atomsOfTerms(terms: readonly Term[]): readonly ClassAtom[] {
  return terms.flatMap((term) => [...atomsWithin(term.value), ...atomsWithin(term.weight)]);
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
