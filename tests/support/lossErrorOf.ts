import { LossError } from "lossmith";

/** The message of the LossError that something throws; what it throws in its place, or that it throws nothing. */
export function lossErrorOf(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    return error instanceof LossError ? error.message : `no LossError: ${error}`;
  }
  return "no error";
}
