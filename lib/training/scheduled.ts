/** What changes with the step in a loss, by the names of its parameters. */
import { atomsOf, type Expression } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { fieldsOf } from "../loss/inventory.ts";
import { type AnyLoss, closedTerms } from "../loss/loss.ts";
import { identityOf } from "../loss/normalForm.ts";
import { isScheduled, type Schedule, type Step } from "../loss/schedule.ts";
import type { View } from "../loss/view.ts";
import type { WholeRow } from "../loss/wholeRow.ts";

type Atom = { readonly kind: string };
type Part = Expression<Atom>;

/**
 * The scheduled parameters of a loss by their names, such as "powerLaw(alpha)". A second parameter of one name is
 * "powerLaw(alpha) 2".
 */
export function scheduledParameters(loss: AnyLoss): ReadonlyMap<string, Schedule> {
  const terms = closedTerms(loss).flatMap(({ targets, value, weight }): Part[] => [
    ...(typeof targets === "string" ? [] : partsOfView(targets)),
    value,
    weight,
  ]);
  const laws = fieldsOf(loss).flatMap((field) => field.laws.map(({ map }): Part => map));
  const parameters = new Map<string, Schedule>();
  for (const { where, schedule } of [...terms, ...laws].flatMap(schedulesIn)) {
    // The same number is often found twice: in a term's value and in its weight.
    if ([...parameters.values()].some((known) => textOf(known) === textOf(schedule))) continue;
    let name = where;
    for (let i = 2; parameters.has(name); i++) name = `${where} ${i}`;
    parameters.set(name, schedule);
  }
  return parameters;
}

/** The outermost parameters within an expression that depend on the step alone. */
function schedulesIn(e: Part): { readonly where: string; readonly schedule: Schedule }[] {
  if (e.kind === "within" && isScheduled(e) && atomsOf(e).every(({ kind }) => kind === "step")) {
    return [{ where: e.where, schedule: e as Expression<Step> }];
  }
  return partsOf(e).flatMap(schedulesIn);
}

function partsOf(e: Part): readonly Part[] {
  switch (e.kind) {
    case "constant":
      return [];
    case "atom":
      return partsOfAtom(e.atom);
    case "unary":
    case "stopGradient":
    case "within":
      return [e.argument];
    case "named":
      return [e.body];
    case "binary":
      return [e.left, e.right];
    case "select":
      return [e.left, e.right, e.whenLess, e.otherwise];
  }
}

function partsOfAtom(atom: Atom): readonly Part[] {
  const view = "view" in atom ? partsOfView(atom.view as View) : [];
  if (atom.kind === "overridden") {
    const { of, weights } = atom as Extract<VocabularyAtom, { kind: "overridden" }>;
    return [of, ...weights];
  }
  if (atom.kind === "wholeRow") {
    const { of } = atom as unknown as { readonly of: WholeRow };
    return of.kind === "entmax" ? [of.alpha, ...view] : view;
  }
  return "body" in atom ? [atom.body as Part, ...view] : view;
}

function partsOfView({ scale, cap, bias }: View): readonly Part[] {
  return cap === null ? [scale, bias] : [scale, cap, bias];
}

function textOf(schedule: Schedule): string {
  return JSON.stringify(schedule, (_, value) => (typeof value === "function" ? identityOf(value) : value));
}
