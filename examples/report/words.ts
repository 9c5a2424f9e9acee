/** Differences in words. Every word that judges is chosen by a number. */
import { decimals } from "./tables.ts";

/** A difference that rounds to 0 in the tables is none. */
export const negligible = 0.0005;

/** What is true of a difference: more, less, or neither. */
export function compared(difference: number, more: string, less: string, equally: string): string {
  if (Math.abs(difference) <= negligible) return equally;
  return difference > 0 ? more : less;
}

/** A number with its sign, a true minus included. */
export function signed(value: number, digits: number): string {
  const shown = decimals(Math.abs(value), digits);
  return value < 0 ? `−${shown}` : `+${shown}`;
}

/** Lines as a list in Markdown. */
export function list(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join("\n");
}
