/** Splitting pairs into those that are trained on and those that are held out. */
import { randomStream } from "../model/random.ts";
import type { Pair } from "./pairs.ts";

/** No key, no document and no response is in both parts. */
export interface SplitPairs {
  readonly training: readonly Pair[];
  readonly heldOut: readonly Pair[];
}

/** The share of the groups that is held out. */
const heldOutShare = 0.1;

/**
 * Holds out a tenth of the groups of pairs, drawn by the seed. Pairs that share a key, a document or a response are one
 * group, also by way of others. Which part a group is in depends on its own keys alone, so that new pairs move none of the
 * others.
 */
export function splitPairs(pairs: readonly Pair[], seed: number): SplitPairs {
  const groups = groupsOf(pairs);
  const held = new Map<number, boolean>();
  const firstKeys = new Map<number, string>();
  pairs.forEach(({ key }, i) => {
    const known = firstKeys.get(groups[i]);
    if (known === undefined || key < known) firstKeys.set(groups[i], key);
  });
  for (const [group, key] of firstKeys) held.set(group, randomStream(seed, `held out: ${key}`)() < heldOutShare);
  const isHeldOut = (_: Pair, i: number): boolean => held.get(groups[i]) === true;
  return { training: pairs.filter((pair, i) => !isHeldOut(pair, i)), heldOut: pairs.filter(isHeldOut) };
}

/** The number of the group of each pair, by union and find. */
function groupsOf(pairs: readonly Pair[]): Int32Array {
  const parents = Int32Array.from(pairs.keys());
  const rootOf = (i: number): number => {
    let root = i;
    while (parents[root] !== root) {
      parents[root] = parents[parents[root]];
      root = parents[root];
    }
    return root;
  };
  for (const read of [({ key }: Pair) => key, ({ document }: Pair) => document, ({ response }: Pair) => response]) {
    const firsts = new Map<string, number>();
    pairs.forEach((pair, i) => {
      const first = firsts.get(read(pair));
      if (first === undefined) firsts.set(read(pair), i);
      else parents[rootOf(i)] = rootOf(first);
    });
  }
  return parents.map((_, i) => rootOf(i));
}
