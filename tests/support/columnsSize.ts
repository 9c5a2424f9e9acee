/** The size of what a number over the columns of values is added up from, and of its slope. */
import { differentiate } from "../../lib/loss/differentiate.ts";
import { add, atomsOf } from "../../lib/loss/expression.ts";
import type { ColumnExpression, ColumnsAtom } from "../../lib/loss/loss.ts";
import { columnsValue } from "../../lib/reference/columns.ts";
import type { PlainRows } from "../../lib/reference/plainBatch.ts";

/** Σ over the columns of |body|; of a mean its D-th, of a maximum the largest. */
export function columnsSize(a: ColumnsAtom, rows: PlainRows, row: number): number {
  const size = columnsValue({ ...a, body: absolute(a.body) }, rows, row);
  return Number.isFinite(size) ? size : 0;
}

/** The largest |∂a / ∂prediction_j|, with what comes through numbers inside it added up as sizes. */
export function columnsSlope(a: ColumnsAtom, rows: PlainRows, row: number): number {
  const share = a.aggregate === "mean" ? 1 / rows.classes : 1;
  return atomsOf(a.body).reduce((sum, b) => {
    if (b.kind !== "prediction" && b.kind !== "overColumns") return sum;
    const slope = absolute(differentiate(a.body, (c) => c === b));
    if (b.kind === "prediction") return sum + share * columnsSize({ ...a, aggregate: "max", body: slope }, rows, row);
    return sum + share * columnsSize({ ...a, aggregate: "sum", body: slope }, rows, row) * columnsSlope(b, rows, row);
  }, 0);
}

/** |e|; of a sum, those of its parts added up. */
function absolute(e: ColumnExpression): ColumnExpression {
  if (e.kind === "binary" && (e.operator === "add" || e.operator === "subtract")) {
    return add(absolute(e.left), absolute(e.right));
  }
  return { kind: "unary", operator: "abs", argument: e };
}
