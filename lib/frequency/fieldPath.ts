/**
 * Paths into JSON values: `text`, `meta.title`, `paragraphs[]` for each item of a list, `messages[2].content`, and
 * `messages[role=assistant].content` for the items that have a field of that value.
 */
import { LossError } from "../loss/error.ts";

/** What a path finds: texts, or what was wrong. */
export type Found = { readonly texts: readonly string[] } | { readonly wrong: string };

/** Finds the texts at a path. */
export type FieldPath = (value: unknown) => Found;

type Step =
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "item"; readonly index: number }
  | { readonly kind: "each" }
  | { readonly kind: "where"; readonly name: string; readonly value: string };

/** A path as people write it; a LossError where it is none. */
export function fieldPath(path: string, where: string): FieldPath {
  const steps = parse(path);
  if (steps === null) {
    throw new LossError(
      where,
      `got ${JSON.stringify(path) ?? String(path)}`,
      'Give a path such as "text", "meta.title", "paragraphs[]" or "messages[role=assistant].content"',
    );
  }
  return (value) => {
    const found = follow(value, steps, "");
    if ("wrong" in found) return found;
    const other = found.values.find((x) => typeof x !== "string");
    if (other === undefined) return { texts: found.values as readonly string[] };
    return { wrong: `"${path}" is ${describe(other)} in place of a text` };
  };
}

const stepPattern = /^(?:\.?([^.[\]]+)|\[(?:(\d+)|([^[\]=]+)=([^\]]*))?\])/;

function parse(path: string): readonly Step[] | null {
  if (typeof path !== "string" || path === "" || path.startsWith(".")) return null;
  const steps: Step[] = [];
  for (let rest = path; rest !== ""; ) {
    const match = stepPattern.exec(rest);
    if (match === null) return null;
    const [whole, field, index, name, value] = match;
    if (field !== undefined && steps.length > 0 && !whole.startsWith(".")) return null;
    if (field !== undefined) steps.push({ kind: "field", name: field });
    else if (index !== undefined) steps.push({ kind: "item", index: Number(index) });
    else if (name !== undefined) steps.push({ kind: "where", name, value });
    else steps.push({ kind: "each" });
    rest = rest.slice(whole.length);
  }
  return steps;
}

function follow(
  value: unknown,
  steps: readonly Step[],
  at: string,
): { readonly values: readonly unknown[] } | { readonly wrong: string } {
  if (steps.length === 0) return { values: [value] };
  const [step, ...rest] = steps;
  if (step.kind === "field") {
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    const next = at === "" ? step.name : `${at}.${step.name}`;
    if (!isObject)
      return { wrong: `${at === "" ? "the line" : `"${at}"`} is ${describe(value)}, without "${step.name}"` };
    if (!Object.hasOwn(value, step.name)) return { wrong: `there is no "${next}"` };
    return follow((value as Record<string, unknown>)[step.name], rest, next);
  }
  if (!Array.isArray(value)) return { wrong: `"${at}" is ${describe(value)} in place of a list` };
  if (step.kind === "item") {
    if (step.index >= value.length) return { wrong: `"${at}" has ${value.length} items, and none at ${step.index}` };
    return follow(value[step.index], rest, `${at}[${step.index}]`);
  }
  const values: unknown[] = [];
  for (const [i, item] of value.entries()) {
    if (step.kind === "where" && String((item as Record<string, unknown> | null)?.[step.name]) !== step.value) continue;
    const found = follow(item, rest, `${at}[${i}]`);
    if ("wrong" in found) return found;
    values.push(...found.values);
  }
  return { values };
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `the ${typeof value} ${JSON.stringify(value)}`;
}
