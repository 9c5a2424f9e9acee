import type { AnyLoss, PlainBatch } from "lossmith";
import { differentiate } from "../../lib/loss/differentiate.ts";
import { atomsOf } from "../../lib/loss/expression.ts";
import type { Entries } from "../../lib/loss/field.ts";
import { type ClassExpression, finalTerms } from "../../lib/loss/loss.ts";
import { classMeaning } from "../../lib/reference/classes.ts";
import { evaluate } from "../../lib/reference/evaluate.ts";
import { type PlainRows, readPlainBatch } from "../../lib/reference/plainBatch.ts";

/**
 * A twentieth of the size of the parts that a row's gradient is the sum of, the largest over the rows: what a tolerance
 * of 2e-5 is taken relative to where a gradient is small. There its parts cancel, and the error that is allowed is a
 * millionth of them, some sixteen roundings of float32.
 */
export function gradientSize(loss: AnyLoss, batch: PlainBatch): number {
  const rows = readPlainBatch(loss, batch);
  const shares = finalTerms(loss).map((term) => {
    // The denominator of a weighted mean is the sum of the term whose value is its weight.
    const weight = { ...term, value: term.weight, reduction: "sum" as const };
    const denominator =
      term.reduction === "weightedMean"
        ? (evaluate({ ...loss, terms: [weight] } as never, batch) as number)
        : term.reduction === "mean"
          ? rows.valid.filter((valid) => valid).length
          : 1;
    return denominator === 0 ? 0 : 1 / denominator;
  });
  const sizes = rows.indices.map((row) => {
    const terms = finalTerms(loss).map(({ value }, i) => {
      const seed = rows.targets(row).map((q) => q * shares[i] * rows.sampleWeight[row]);
      return rows.valid[row] ? partsOf(value, seed, rows, row) : 0;
    });
    return terms.reduce((a, b) => a + b, 0);
  });
  return 0.05 * sizes.reduce((a, b) => Math.max(a, b), 0);
}

/** Σ over the atoms of the logits and the classes of |∂(Σ_c seed_c e_c) / ∂atom|. */
function partsOf(e: ClassExpression, seed: Entries, rows: PlainRows, row: number): number {
  const at = (entries: Entries, c: number): number => (typeof entries === "number" ? entries : entries[c]);
  let parts = 0;
  for (const a of atomsOf(e)) {
    if (a.kind !== "classSum" && !("view" in a)) continue;
    const derivative = classMeaning(rows, row)(differentiate(e, (b) => b === a));
    const each = Array.from({ length: rows.classes }, (_, c) => {
      const weighed = at(seed, c) === 0 ? 0 : Math.abs(at(seed, c) * at(derivative, c));
      return Number.isFinite(weighed) ? weighed : 0;
    });
    const total = each.reduce((x, y) => x + y, 0);
    parts += a.kind === "classSum" ? partsOf(a.body, total, rows, row) : total;
  }
  return parts;
}
