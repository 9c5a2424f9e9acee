/**
 * The one error that lossmith throws for bad input.
 *
 * @example
 * ```ts
 * import { LossError, powerLaw } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(() => powerLaw(Number.NaN)).toThrow(LossError);
 * ```
 */
export class LossError extends Error {
  override readonly name = "LossError";
  /** The combinator, function or batch entry that the error is about. */
  readonly where: string;
  /** What was wrong. */
  readonly what: string;
  /** What would be right. */
  readonly remedy: string;

  constructor(where: string, what: string, remedy: string) {
    super(`${where}: ${what}. ${remedy}.`);
    this.where = where;
    this.what = what;
    this.remedy = remedy;
  }
}
