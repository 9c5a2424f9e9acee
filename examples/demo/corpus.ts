/** The text of the demo: State of the Union addresses, old ones to pretrain on, recent ones to fine-tune and measure. */

/** The addresses by what they are used for. No address is in two parts. */
export interface Split<T> {
  readonly pretraining: readonly T[];
  readonly fineTuning: readonly T[];
  /** Recent addresses that nothing is counted from and nothing is trained on. */
  readonly heldOut: readonly T[];
}

/** The first year of the addresses that are called recent. */
export const recentFrom = 1982;

/** Every fifth recent address is held out, so that fine-tuning and measurement cover the same years. */
const heldOutEvery = 5;

/** Splits addresses, given the oldest first, by year and position. */
export function splitAddresses<T extends { readonly year: number }>(addresses: readonly T[]): Split<T> {
  const recent = addresses.filter(({ year }) => year >= recentFrom);
  const isHeldOut = (position: number): boolean => position % heldOutEvery === Math.floor(heldOutEvery / 2);
  return {
    pretraining: addresses.filter(({ year }) => year < recentFrom),
    fineTuning: recent.filter((_, position) => !isHeldOut(position)),
    heldOut: recent.filter((_, position) => isHeldOut(position)),
  };
}
