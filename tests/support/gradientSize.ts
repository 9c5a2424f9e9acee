import type { AnyLoss, Input, PlainBatches } from "lossmith";
import { differentiate } from "../../lib/loss/differentiate.ts";
import { atom, atomsOf, substitute } from "../../lib/loss/expression.ts";
import type { Entries } from "../../lib/loss/field.ts";
import { type ClassAtom, type ClassExpression, finalTerms } from "../../lib/loss/loss.ts";
import { classMeaning, type TargetsOf, targetsOf } from "../../lib/reference/classes.ts";
import { evaluate } from "../../lib/reference/evaluate.ts";
import { type PlainRows, readPlainBatch } from "../../lib/reference/plainBatch.ts";
import { columnsSize, columnsSlope } from "./columnsSize.ts";

/**
 * A twentieth of the size of the parts that a row's gradient is the sum of, the largest over the rows: what a tolerance
 * of 2e-5 is taken relative to where a gradient is small. There its parts cancel, and the error that is allowed is a
 * millionth of them, some sixteen roundings of float32.
 */
export function gradientSize(loss: AnyLoss, batch: PlainBatches[Input]): number {
  return 0.05 * rowSizes(loss, batch, partsOf).reduce((a, b) => Math.max(a, b), 0);
}

/**
 * The same for values: it matters where a value is the small difference of its parts, such as a divergence of two near
 * distributions, or a loss less a penalty that is nearly as large.
 */
export function valueSize(loss: AnyLoss, batch: PlainBatches[Input]): number {
  return 0.05 * rowSizes(loss, batch, valueParts).reduce((a, b) => a + b, 0);
}

type Parts = (e: ClassExpression, seed: Entries, rows: PlainRows, row: number, targets: TargetsOf) => number;

function rowSizes(loss: AnyLoss, batch: PlainBatches[Input], parts: Parts): readonly number[] {
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
  return rows.indices.map((row) => {
    const terms = finalTerms(loss).map((term, i) => {
      const targets = targetsOf(term, rows);
      const seed = targets(row).map((q) => q * shares[i] * rows.sampleWeight[row]);
      return rows.valid[row] ? parts(term.value, seed, rows, row, targets) : 0;
    });
    return terms.reduce((a, b) => a + b, 0);
  });
}

/** Σ over the atoms of the logits and the classes of |seed_c atom_c ∂e_c / ∂atom|, through sums and what is detached too. */
function valueParts(e: ClassExpression, seed: Entries, rows: PlainRows, row: number, targets: TargetsOf): number {
  const meaning = classMeaning(rows, row, targets);
  const attached = withoutStops(e);
  let parts = 0;
  for (const a of atomsOf(attached)) {
    if (!("body" in a || "view" in a)) continue;
    const derivative = meaning(differentiate(attached, (b) => b === a));
    const sizeOf = (value: Entries): number => weighedSum(seed, derivative, value, widthOf(seed, rows));
    if (a.kind === "overColumns") parts += sizeOf(columnsSize(a, rows, row));
    else if ("view" in a) parts += sizeOf(meaning(atom(a)));
    else parts += partsOfSum(a, sizeOf(1), rows, row, targets, valueParts);
  }
  return parts;
}

function withoutStops(e: ClassExpression): ClassExpression {
  return substitute<ClassAtom, ClassAtom>(e, atom, (node) =>
    node.kind === "stopGradient" ? withoutStops(node.argument) : null,
  );
}

/** The parts of a sum over the classes, or over rows, of which `total` counts. */
function partsOfSum(
  a: Exclude<Extract<ClassAtom, { readonly body: unknown }>, { readonly kind: "overColumns" }>,
  total: number,
  rows: PlainRows,
  row: number,
  targets: TargetsOf,
  parts: Parts,
): number {
  if (a.kind === "classSum") return parts(a.body, total, rows, row, targets);
  if (a.kind === "candidateSum") {
    const seeds = new Float64Array(rows.classes);
    for (const c of rows.candidates(a.candidates, row)) seeds[c] = total;
    return parts(a.body, seeds, rows, row, targets);
  }
  if (a.over === "highest") return 0;
  const share = a.over === "batch" ? total / rows.indices.length : total;
  // Each row that shares in it, as if all were in one sequence: an upper bound.
  const members = a.over === "row" ? [row] : rows.indices.filter((member) => rows.valid[member]);
  return members
    .map((member) => {
      const seeds = targets(member).map((q) => q * share);
      return parts(a.body, seeds, rows, member, targets);
    })
    .reduce((x, y) => x + y, 0);
}

/** How many classes a row's expression has: one where it is over values. */
function widthOf(seed: Entries, { classes }: PlainRows): number {
  return typeof seed === "number" ? classes : seed.length;
}

function weighedSum(seed: Entries, derivative: Entries, value: Entries, classes: number): number {
  const at = (entries: Entries, c: number): number => (typeof entries === "number" ? entries : entries[c]);
  let sum = 0;
  for (let c = 0; c < classes; c++) {
    const part = at(seed, c) === 0 ? 0 : Math.abs(at(seed, c) * at(derivative, c) * at(value, c));
    if (Number.isFinite(part)) sum += part;
  }
  return sum;
}

/** Σ over the atoms of the logits and the classes of |∂(Σ_c seed_c e_c) / ∂atom|. */
function partsOf(e: ClassExpression, seed: Entries, rows: PlainRows, row: number, targets: TargetsOf): number {
  let parts = 0;
  for (const a of atomsOf(e)) {
    if (!("body" in a) && !("view" in a && a.view.of === "logits")) continue;
    const derivative = classMeaning(rows, row, targets)(differentiate(e, (b) => b === a));
    const total = weighedSum(seed, derivative, 1, widthOf(seed, rows));
    if (a.kind === "overColumns") parts += total * columnsSlope(a, rows, row);
    else parts += "body" in a ? partsOfSum(a, total, rows, row, targets, partsOf) : total;
  }
  return parts;
}
