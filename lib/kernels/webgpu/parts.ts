/**
 * The forward pass over long rows. A workgroup that has a row to itself reads it twice, from memory where it should from cache
 * the second time; and where rows are few most of the device is idle. So a row is cut into parts, of which partSums.ts
 * makes sums and partFold.ts the statistics of the row.
 */
import { workgroupSize } from "./program.ts";

/** Parts are at least so long that what a workgroup does beside reading its part is little. */
const shortestPart = 4096;

/**
 * Parts are at most so long that they are still in cache when they are read the second time: the thousand workgroups that a
 * large device has at work together hold 32 MB of logits then.
 */
const longestPart = 8192;

/** Workgroups that keep a large device busy. */
const enoughWorkgroups = 512;

/**
 * In how many parts each of so many rows is read, a workgroup a part: as many as it takes for parts to stay in cache, and
 * where rows are few, so many that the device has enough to do, as long as parts do not become too short. 1 for rows that
 * are short.
 */
export function partsOfForward(rows: number, classes: number): number {
  const enough = Math.ceil(enoughWorkgroups / Math.max(1, rows));
  return Math.max(Math.min(enough, Math.floor(classes / shortestPart)), Math.ceil(classes / longestPart), 1);
}

/** How many entries a part has, given how many parts there are at most; parts begin where a cache line does, about. */
export function spanOf(classes: number, parts: number): number {
  const aligned = 16;
  return Math.ceil(classes / parts / aligned) * aligned;
}

/** How many lanes fold the parts of a row. */
export function foldingLanes(parts: number): number {
  return Math.min(workgroupSize, 2 ** Math.ceil(Math.log2(parts)));
}
