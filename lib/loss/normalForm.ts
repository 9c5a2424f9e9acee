/**
 * The normal form of a loss: a text that is the same for losses that differ only in the names of their parts, in the order
 * of terms, and in the order and grouping of summands and factors. A term without a reduction is a weighted mean. Terms'
 * own names are in it: a compiled loss gives each term's value under its name.
 */
import type { Expression } from "./expression.ts";
import type { Field } from "./field.ts";
import { type AnyLoss, finalTerms } from "./loss.ts";

export function normalForm(loss: AnyLoss): string {
  const terms = finalTerms(loss).map(
    ({ name, reduction, value, weight, targets }) =>
      `${name === null ? "" : `${JSON.stringify(name)} = `}${reduction} ${normal(value)} over ${normal(weight)} by ${normalAtom(targets)}`,
  );
  const of = loss.probabilities ? "probabilities" : "logits";
  return `${terms.sort().join(" + ")} of ${of} without ${loss.ignored.join()}`;
}

const commutative = new Set<string>(["add", "multiply", "min", "max"]);

function normal<A>(e: Expression<A>): string {
  switch (e.kind) {
    case "constant":
      return String(e.value);
    case "atom":
      return normalAtom(e.atom);
    case "unary":
      return `${e.operator}(${normal(e.argument)})`;
    case "binary": {
      const { operator } = e;
      const operands = commutative.has(operator) ? operandsOf(e, operator).sort() : [normal(e.left), normal(e.right)];
      return `${operator}(${operands.join()})`;
    }
    case "select":
      return `select(${[e.left, e.right, e.whenLess, e.otherwise].map(normal).join()})`;
    case "stopGradient":
      return `stopGradient(${normal(e.argument)})`;
    case "within":
      return normal(e.argument);
    case "named":
      return normal(e.body);
  }
}

/** a + (b + c) as a, b, c. */
function operandsOf<A>(e: Expression<A>, operator: string): string[] {
  if (e.kind === "within") return operandsOf(e.argument, operator);
  if (e.kind === "named") return operandsOf(e.body, operator);
  return e.kind === "binary" && e.operator === operator
    ? [...operandsOf(e.left, operator), ...operandsOf(e.right, operator)]
    : [normal(e)];
}

const identities = new WeakMap<object, number>();
let functions = 0;

/** A number for each function: two are the same only if they are one. */
export function identityOf(f: object): number {
  const identity = identities.get(f) ?? functions++;
  identities.set(f, identity);
  return identity;
}

/** Atoms hold numbers, names, fields, views and further expressions. */
function normalAtom(a: unknown): string {
  if (typeof a === "function") return `function ${identityOf(a)}`;
  if (typeof a !== "object" || a === null) return String(a);
  if (isExpression(a)) return normal(a);
  if (ArrayBuffer.isView(a) || Array.isArray(a)) return `[${Array.from(a as ArrayLike<unknown>, normalAtom).join()}]`;
  if ("source" in a) return normalField(a as Field);
  const entries = Object.entries(a).sort(([x], [y]) => (x < y ? -1 : 1));
  return `{${entries.map(([key, value]) => `${key}:${normalAtom(value)}`).join()}}`;
}

function normalField({ source, laws }: Field): string {
  const counts = laws.length === 0 ? "" : ` counted ${normalAtom(source.counts)}`;
  // Numbers that change are equal to themselves alone.
  const values = source.version === undefined ? normalAtom(source.values) : `changing ${identityOf(source)}`;
  return `field ${values}${source.version === undefined ? counts : ""} ${laws.map((law) => normal(law.map)).join(" then ")}`;
}

const kinds = new Set(["constant", "atom", "unary", "binary", "select", "stopGradient", "within", "named"]);

function isExpression(x: object): x is Expression<unknown> {
  return "kind" in x && typeof x.kind === "string" && kinds.has(x.kind);
}
