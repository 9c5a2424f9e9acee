/** Random numbers from a seed, the same in every runtime. */

/** The next number of a stream, at least 0 and below 1. */
export type Random = () => number;

/**
 * A stream of random numbers: the generator mulberry32, started from the seed and a name. Streams of different names
 * are independent, so that drawing more batches changes no sampled text.
 */
export function randomStream(seed: number, name: string): Random {
  let state = hash(seed, name);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from 0 to below − 1. */
export function randomInteger(random: Random, below: number): number {
  return Math.floor(random() * below);
}

/** FNV-1a over the seed's digits and the name. */
function hash(seed: number, name: string): number {
  return [...`${seed}:${name}`].reduce(
    (state, character) => Math.imul(state ^ (character.codePointAt(0) ?? 0), 0x01000193),
    0x811c9dc5,
  );
}
