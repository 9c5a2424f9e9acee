/** Checks that the options of schedules share. */
import { LossError } from "../loss/error.ts";
import { finite } from "../loss/schedule.ts";

/** Throws where the options of a schedule are no object; `example` shows a right call. */
export function checkOptions(options: unknown, name: string, example: string): void {
  if (typeof options === "object" && options !== null) return;
  throw new LossError(name, `got ${String(options)}`, `Give options, such as ${name}(${example})`);
}

/** `value` if it is a finite number above 0, else a LossError; `noun` is what it counts or is. */
export function positive(value: number, where: string, noun: string): number {
  if (finite(value, where) > 0) return value;
  throw new LossError(where, `got ${value}`, `Give a ${noun} above 0`);
}

/** `value` if it is one of the names, else a LossError. */
export function oneOf<Name extends string>(value: Name, where: string, names: readonly Name[]): Name {
  if (names.includes(value)) return value;
  const quoted = names.map((name) => `"${name}"`);
  throw new LossError(where, `got ${String(value)}`, `Give ${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`);
}
