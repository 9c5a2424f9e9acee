/**
 * Over a row v with highest entry h: Σ exp(scale (v_j − h)), Σ exp(scale (v_j − h)) · scale (v_j − h), and Σ u_j (v_j − h)
 * for a table u or u = 1, all in one read of the row.
 *
 * The row is taken in blocks that stay in the nearest cache. A block is summed relative to an entry that was the highest
 * before; where it has one that is higher by more than a little, what was summed so far is taken relative to that one, and
 * the block is summed again. So exponentials never overflow, small differences stay exact, and nothing is fetched once
 * more just to find the highest entry.
 */
import { dot, totalWeight } from "./dots";
import {
  exp2,
  FIRST,
  FOURTH,
  LN2,
  LOG2E,
  LOWEST,
  ONE,
  ROUNDING,
  SECOND,
  THIRD,
} from "./exp";
import { highestEntry } from "./highest";
import { highestLane, loadTail, madd, promoteHigh, promoteLow, sumOfPair } from "./lanes";
import { exponential } from "./scalar";

/** Bytes of a block. */
const BLOCK: usize = 4096;

/** Bytes after which lanes are folded into float64: a lane adds up 16 numbers in float32. */
const FOLD: usize = 256;

/** How far above what it is taken relative to scale · v_j may be: the relative error of exp(x) is some 6e-8 |x|. */
const MARGIN: f32 = 4;

/** What is multiplied and added up in the same read. */
export const NOTHING: i32 = 0;
export const ENTRIES: i32 = 1;
export const ENTRIES_BY_TABLE: i32 = 2;

/** The row that is worked on: its highest entry so far, and the sums relative to `origin`. */
export let highest: f32 = 0;
export let sum: f64 = 0;
export let weightedSum: f64 = 0;
/** Without the entry at the hole. */
export let dotSum: f64 = 0;
let origin: f32 = 0;
/** Whether an entry above −∞ was found. */
let isFound: bool = false;

/** The results of a block. */
let blockHighest: f32 = 0;
let blockSum: f64 = 0;
let blockWeightedSum: f64 = 0;
let blockDotSum: f64 = 0;

/** Leaves the row's highest entry and the two sums of exponentials in the variables above. */
export function sumExponentials(start: usize, end: usize, scale: f32, weighted: bool): void {
  sumRow(start, end, scale, weighted, NOTHING, 0, 0, 0);
}

/**
 * Leaves the results in the variables above. The entry at the address `hole` is to be −∞, and is left out of the product;
 * `total` is Σ u_j without it.
 */
export function sumRow(
  start: usize,
  end: usize,
  scale: f32,
  weighted: bool,
  multiplied: i32,
  table: usize,
  hole: usize,
  total: f64,
): void {
  const first = highestEntry(start, min(start + BLOCK, end));
  isFound = first > -Infinity;
  // −∞ − −∞ would be NaN: nothing above −∞ was found yet.
  origin = isFound ? first : 0;
  if (multiplied == NOTHING && end - start <= BLOCK) {
    // One block, relative to its own highest entry.
    sumBlock(start, end, origin, <f32>(<f64>scale * LOG2E), weighted, NOTHING, 0);
    highest = blockHighest;
    sum = blockSum;
    weightedSum = blockWeightedSum;
    return;
  }
  highest = -Infinity;
  sum = 0;
  weightedSum = 0;
  dotSum = 0;
  for (let at = start; at < end; at += BLOCK) addBlock(start, at, end, scale, weighted, multiplied, table, hole);
  if (highest > -Infinity && highest != origin) referTo(highest, origin, scale, total);
}

/** Adds up the block at `at` of a row. */
function addBlock(
  start: usize,
  at: usize,
  end: usize,
  scale: f32,
  weighted: bool,
  multiplied: i32,
  table: usize,
  hole: usize,
): void {
  const blockEnd = min(at + BLOCK, end);
  if (multiplied == NOTHING || hole < at || hole >= blockEnd) {
    addPart(start, at, blockEnd, scale, weighted, multiplied, table, hole);
    return;
  }
  // −∞ at the hole would spoil the product of its part, which is small therefore.
  const before = at + ((hole - at) & ~63);
  const after = min(before + 64, blockEnd);
  if (before > at) addPart(start, at, before, scale, weighted, multiplied, table, hole);
  addPart(start, before, after, scale, weighted, multiplied, table, hole);
  if (after < blockEnd) addPart(start, after, blockEnd, scale, weighted, multiplied, table, hole);
}

function addPart(
  start: usize,
  at: usize,
  end: usize,
  scale: f32,
  weighted: bool,
  multiplied: i32,
  table: usize,
  hole: usize,
): void {
  const rate = <f32>(<f64>scale * LOG2E);
  const u: usize = table == 0 ? 0 : table + (at - start);
  const isApart = hole >= at && hole < end;
  const product = isApart ? NOTHING : multiplied;
  sumBlock(at, end, origin, rate, weighted, product, u);
  if (blockHighest > (isFound ? origin + MARGIN / scale : -Infinity)) {
    const before: f64 = multiplied == NOTHING ? 0 : weightBefore(at - start, table, hole, start);
    referTo(blockHighest, isFound ? origin : blockHighest, scale, before);
    isFound = true;
    sumBlock(at, end, origin, rate, weighted, product, u);
  }
  highest = max(highest, blockHighest);
  sum += blockSum;
  weightedSum += blockWeightedSum;
  if (multiplied == NOTHING) return;
  if (isApart) dotSum += dotBeside(at, end, u, hole);
  // An entry of −∞, which adds nothing where its weight is 0.
  else if (!(abs(blockDotSum) < Infinity)) dotSum += dot(at, end - at, origin, 0, u);
  else dotSum += blockDotSum;
}

/** Takes the sums relative to another entry; `weight` is Σ u_j of the entries that were multiplied. */
function referTo(to: f32, from: f32, scale: f32, weight: f64): void {
  const change = <f64>from - <f64>to;
  const fall = change * <f64>scale;
  const factor = exponential(fall);
  weightedSum = factor == 0 ? 0 : factor * (weightedSum + fall * sum);
  sum *= factor;
  dotSum += change * weight;
  origin = to;
}

/** Σ u_j of the first entries of a row, without the entry at the hole. */
function weightBefore(length: usize, table: usize, hole: usize, start: usize): f64 {
  const isAfter = hole < start + length && hole >= start;
  if (table == 0) return <f64>(length >> 2) - (isAfter ? 1 : 0);
  return totalWeight(length, table, 0) - (isAfter ? <f64>load<f32>(table + (hole - start)) : 0);
}

/** The product of a block without the entry at the hole. */
function dotBeside(start: usize, end: usize, u: usize, hole: usize): f64 {
  const after = hole + 4;
  return dot(start, hole - start, origin, 0, u) + dot(after, end - after, origin, 0, u == 0 ? 0 : u + (after - start));
}

/** Leaves the results of a block in the variables above. */
function sumBlock(start: usize, end: usize, relativeTo: f32, rate: f32, weighted: bool, product: i32, u: usize): void {
  if (product == ENTRIES_BY_TABLE) {
    if (weighted) sumWeightedAndTable(start, end, relativeTo, rate, u);
    else sumAndTable(start, end, relativeTo, rate, u);
  } else if (product == ENTRIES) {
    if (weighted) sumWeightedAndEntries(start, end, relativeTo, rate);
    else sumAndEntries(start, end, relativeTo, rate);
  } else if (weighted) sumWeighted(start, end, relativeTo, rate);
  else sumPlain(start, end, relativeTo, rate);
}

// Functions of their own: compilers give a small one more registers.

function sumPlain(start: usize, end: usize, relativeTo: f32, rate: f32): void {
  sumLanes(start, end, relativeTo, rate, false, NOTHING, 0);
}

function sumWeighted(start: usize, end: usize, relativeTo: f32, rate: f32): void {
  sumLanes(start, end, relativeTo, rate, true, NOTHING, 0);
}

function sumAndEntries(start: usize, end: usize, relativeTo: f32, rate: f32): void {
  sumLanes(start, end, relativeTo, rate, false, ENTRIES, 0);
}

function sumWeightedAndEntries(start: usize, end: usize, relativeTo: f32, rate: f32): void {
  sumLanes(start, end, relativeTo, rate, true, ENTRIES, 0);
}

function sumAndTable(start: usize, end: usize, relativeTo: f32, rate: f32, u: usize): void {
  sumLanes(start, end, relativeTo, rate, false, ENTRIES_BY_TABLE, u);
}

function sumWeightedAndTable(start: usize, end: usize, relativeTo: f32, rate: f32, u: usize): void {
  sumLanes(start, end, relativeTo, rate, true, ENTRIES_BY_TABLE, u);
}

@inline
function sumLanes(start: usize, end: usize, relativeTo: f32, rate: f32, weighted: bool, product: i32, u: usize): void {
  const origins = f32x4.splat(relativeTo);
  const rates = f32x4.splat(rate);
  const lowest = f32x4.splat(LOWEST);
  const rounding = f32x4.splat(ROUNDING);
  const one = f32x4.splat(ONE);
  const first = f32x4.splat(FIRST);
  const second = f32x4.splat(SECOND);
  const third = f32x4.splat(THIRD);
  const fourth = f32x4.splat(FOURTH);
  let tops = f32x4.splat(-Infinity);
  let sums = f64x2.splat(0);
  let weightedSums = f64x2.splat(0);
  let dots = f64x2.splat(0);
  const toTable = u - start;
  let at = start;
  // Two at a time as long as there are two.
  for (let left = end - start; left >= 32; left = end - at) {
    const stop = at + (min(left, FOLD) & ~31);
    let part = f32x4.splat(0);
    let weightedPart = f32x4.splat(0);
    let dotPart = f32x4.splat(0);
    do {
      const v = v128.load(at);
      const d = f32x4.sub(v, origins);
      const t = f32x4.pmax(f32x4.mul(d, rates), lowest);
      const e = exp2(t, rounding, one, first, second, third, fourth);
      tops = f32x4.pmax(tops, v);
      part = f32x4.add(part, e);
      if (weighted) weightedPart = madd(e, t, weightedPart);
      if (product == ENTRIES) dotPart = f32x4.add(dotPart, d);
      else if (product == ENTRIES_BY_TABLE) dotPart = madd(d, v128.load(at + toTable), dotPart);
      const v2 = v128.load(at, 16);
      const d2 = f32x4.sub(v2, origins);
      const t2 = f32x4.pmax(f32x4.mul(d2, rates), lowest);
      const e2 = exp2(t2, rounding, one, first, second, third, fourth);
      tops = f32x4.pmax(tops, v2);
      part = f32x4.add(part, e2);
      if (weighted) weightedPart = madd(e2, t2, weightedPart);
      if (product == ENTRIES) dotPart = f32x4.add(dotPart, d2);
      else if (product == ENTRIES_BY_TABLE) dotPart = madd(d2, v128.load(at + toTable, 16), dotPart);
      at += 32;
    } while (at < stop);
    sums = addPairs(sums, part);
    if (weighted) weightedSums = addPairs(weightedSums, weightedPart);
    if (product != NOTHING) dots = addPairs(dots, dotPart);
  }
  if (at < end) {
    let part = f32x4.splat(0);
    let weightedPart = f32x4.splat(0);
    let dotPart = f32x4.splat(0);
    do {
      const isWhole = end - at >= 16;
      const v = isWhole ? v128.load(at) : loadTail(at, end, f32x4.splat(-Infinity));
      const d = f32x4.sub(v, origins);
      const t = f32x4.pmax(f32x4.mul(d, rates), lowest);
      const e = exp2(t, rounding, one, first, second, third, fourth);
      tops = f32x4.pmax(tops, v);
      part = f32x4.add(part, e);
      if (weighted) weightedPart = madd(e, t, weightedPart);
      if (product != NOTHING) {
        // What lies beyond the end is not taken in.
        const x = isWhole ? d : f32x4.sub(loadTail(at, end, origins), origins);
        if (product == ENTRIES) dotPart = f32x4.add(dotPart, x);
        else {
          const w = isWhole ? v128.load(at + toTable) : loadTail(u + (at - start), u + (end - start), f32x4.splat(0));
          dotPart = madd(x, w, dotPart);
        }
      }
      at += 16;
    } while (at < end);
    sums = addPairs(sums, part);
    if (weighted) weightedSums = addPairs(weightedSums, weightedPart);
    if (product != NOTHING) dots = addPairs(dots, dotPart);
  }
  blockHighest = highestLane(tops);
  blockSum = sumOfPair(sums);
  // From units of log₂ to those of log.
  if (weighted) blockWeightedSum = LN2 * sumOfPair(weightedSums);
  if (product != NOTHING) blockDotSum = sumOfPair(dots);
}

/** The pairs with the lanes added, in float64: long sums of float32 drift. */
@inline
function addPairs(pairs: v128, lanes: v128): v128 {
  return f64x2.add(pairs, f64x2.add(promoteLow(lanes), promoteHigh(lanes)));
}
