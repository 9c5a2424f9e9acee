/** Lines of code as the values that they are, so that a picture is of the very line that stands beside it. */
import * as lossmith from "lossmith";

const names = Object.keys(lossmith);
const values = Object.values(lossmith);

/** The value of an expression in the package's exports, and in `given` names. */
export function meaningOf<T>(code: string, given: Readonly<Record<string, unknown>> = {}): T {
  const run = new Function(...names, ...Object.keys(given), `"use strict"; return (${code});`);
  return run(...values, ...Object.values(given)) as T;
}

/** The package's exports that a line of code names, in alphabetical order. */
export function exportsIn(code: string): readonly string[] {
  const words = new Set(code.match(/(?<![.\w"])[A-Za-z]\w*(?!\w*:)/g));
  return names.filter((name) => words.has(name)).sort();
}
