/**
 * Lowers per-class expressions at an integer label to narrow expressions:
 * - nll at the label is softplus(r − t);
 * - what does not look at the logits becomes one folded table, looked up at the label;
 * - Σ_c (a_c + b_c nll_c), with a and b tables, is Σ a + (Σ b) s − dot(b).
 */
import { differentiate } from "../loss/differentiate.ts";
import { LossError } from "../loss/error.ts";
import { add, atom, atomsOf, constant, multiply, substitute, subtract, unary } from "../loss/expression.ts";
import type { ClassAtom, ClassExpression } from "../loss/loss.ts";
import type { Narrow, NarrowAtom, Statistic, Table, TableAtom } from "./narrow.ts";

/** The value of a per-class expression at the row's label. */
export function lowerAtLabel(e: ClassExpression): Narrow {
  return substitute<ClassAtom, NarrowAtom>(
    e,
    (a) => (a.kind === "classSum" ? lowerSum(a.body) : a.kind === "nll" ? nll : scalar(a)),
    (node) => {
      const table = asTable(node);
      return table !== null && isPerClass(table) ? atom({ kind: "lookup", table }) : null;
    },
  );
}

const statistic = (s: Statistic): Narrow => atom({ kind: "statistic", statistic: s });
const nll: Narrow = unary("softplus", subtract(statistic({ kind: "r" }), statistic({ kind: "t" })));

/** The sum of a per-class expression over all classes. */
function lowerSum(body: ClassExpression): Narrow {
  const wide = atomsOf(body).filter((a) => a.kind === "nll" || a.kind === "classSum");
  const rest = asTable(
    substitute(body, (a): ClassExpression => (a.kind === "nll" || a.kind === "classSum" ? constant(0) : atom(a))),
  );
  return wide.reduce<Narrow>(
    (sum, a) => {
      const coefficient = asTable(differentiate(body, (b) => b === a));
      if (coefficient === null) {
        throw new LossError(
          "compile",
          "a sum over the classes whose terms are not linear in nll has no compiled form",
          "Put modulators outside of labelSmoothing",
        );
      }
      return add(sum, a.kind === "classSum" ? multiply(total(coefficient), lowerSum(a.body)) : sumOfNll(coefficient));
    },
    total(rest ?? constant(0)),
  );
}

function sumOfNll(b: Table): Narrow {
  const dot: Narrow = isPerClass(b)
    ? statistic({ kind: "dot", table: b })
    : multiply(scalarTable(b), statistic({ kind: "dot", table: null }));
  return subtract(multiply(total(b), statistic({ kind: "s" })), dot);
}

function total(table: Table): Narrow {
  return isPerClass(table)
    ? atom({ kind: "total", table })
    : multiply(scalarTable(table), atom<NarrowAtom>({ kind: "vocabularySize" }));
}

/** The expression as a table, or null where it looks at the logits. */
function asTable(e: ClassExpression): Table | null {
  const isTable = atomsOf(e).every((a) => a.kind !== "nll" && a.kind !== "classSum");
  return isTable ? (e as Table) : null;
}

/** Whether a table differs between classes. */
function isPerClass(table: Table): boolean {
  return atomsOf(table).some((a) => a.kind === "weight");
}

function scalarTable(table: Table): Narrow {
  return substitute<TableAtom, NarrowAtom>(table, scalar);
}

function scalar(a: ClassAtom | TableAtom): Narrow {
  if (a.kind === "step" || a.kind === "vocabularySize") return atom<NarrowAtom>(a);
  throw new Error(`unreachable: ${a.kind} is no scalar`);
}
