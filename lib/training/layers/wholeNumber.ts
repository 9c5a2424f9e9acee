import { LossError } from "../../loss/error.ts";

/** `n` if it is a whole number of at least `lowest`. */
export function whole(n: number, where: string, lowest: number): number {
  if (Number.isSafeInteger(n) && n >= lowest) return n;
  throw new LossError(where, `got ${String(n)}`, `Give a whole number of at least ${lowest}`);
}
