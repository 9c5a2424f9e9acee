/**
 * Per-class expressions of one row, and their gradient, in float64.
 */
import { differentiate } from "../loss/differentiate.ts";
import { atomsOf, binaryNumber, interpreter } from "../loss/expression.ts";
import { aggregateEntries, type Entries, entriesAlgebra, type Field } from "../loss/field.ts";
import type { ClassAtom, ClassExpression } from "../loss/loss.ts";
import type { PlainRows } from "./plainBatch.ts";

/** The meaning of per-class expressions for one row: a number, or one for each class. */
export function classMeaning(rows: PlainRows, row: number): (e: ClassExpression) => Entries {
  const meaning = (a: ClassAtom): Entries => {
    switch (a.kind) {
      case "step":
        return rows.step;
      case "vocabularySize":
        return rows.classes;
      case "nll":
        return negativeLogSoftmax(rows.logits[row]);
      case "weight":
        return rows.weights(a.field as Field);
      case "classSum":
        return aggregateEntries("sum", visit(a.body), rows.classes);
    }
  };
  const visit = interpreter(entriesAlgebra(meaning));
  return visit;
}

/** −log softmax(z)_c for each c; exact also where softmax(z)_c is nearly 1. */
function negativeLogSoftmax(logits: readonly number[]): Float64Array {
  const top = logits.reduce((best, z, c) => (z > logits[best] ? c : best), 0);
  const rest = logits.reduce((sum, z, c) => (c === top ? sum : sum + Math.exp(z - logits[top])), 0);
  return Float64Array.from(logits, (z, c) => (c === top ? Math.log1p(rest) : logits[top] - z + Math.log1p(rest)));
}

/** ∂(Σ_c seed_c e_c) / ∂nll_k for each class k. */
export function nllGradient(e: ClassExpression, seed: Entries, rows: PlainRows, row: number): Float64Array {
  const visit = classMeaning(rows, row);
  const weighed = (derivative: ClassExpression): Float64Array => {
    const value = visit(derivative);
    return Float64Array.from({ length: rows.classes }, (_, c) =>
      binaryNumber.weigh(entryAt(seed, c), entryAt(value, c)),
    );
  };
  const gradient = weighed(differentiate(e, (a) => a.kind === "nll"));
  for (const sum of atomsOf(e)) {
    if (sum.kind !== "classSum") continue;
    const sumSeed = aggregateEntries("sum", weighed(differentiate(e, (a) => a === sum)), rows.classes);
    nllGradient(sum.body, sumSeed, rows, row).forEach((g, c) => {
      gradient[c] += g;
    });
  }
  return gradient;
}

function entryAt(entries: Entries, c: number): number {
  return typeof entries === "number" ? entries : entries[c];
}

/** Adds ∂(Σ_c g_c nll_c) / ∂z_j = p_j Σ_{c≠j} g_c − (1 − p_j) g_j to `into`. */
export function addLogitsGradient(g: Float64Array, logits: readonly number[], into: Float64Array): void {
  const sum = g.reduce((total, x) => total + x, 0);
  negativeLogSoftmax(logits).forEach((nll, j) => {
    into[j] += Math.exp(-nll) * (sum - g[j]) + Math.expm1(-nll) * g[j];
  });
}
