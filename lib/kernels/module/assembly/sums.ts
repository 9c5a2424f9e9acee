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
  exponentOf,
  FIRST,
  FOURTH,
  fractionOf,
  LN2,
  LOG2E,
  LOWEST,
  ONE,
  powerOf,
  ROUNDING,
  SECOND,
  THIRD,
} from "./exp";
import { highestEntry } from "./highest";
import { highestLane, loadTail, madd, promoteHigh, promoteLow, sumOfPair } from "./lanes";
import { exponential } from "./scalar";

/** Bytes of a block. */
const BLOCK: usize = 4096;

/** Bytes of the part of a row that holds the entry which is left out. */
const APART: usize = 64;

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

/** The results of a part of the row. */
let partHighest: f32 = 0;
let partSum: f64 = 0;
let partWeightedSum: f64 = 0;
let partDotSum: f64 = 0;

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
  const rate = <f32>(<f64>scale * LOG2E);
  // −∞ at the hole would spoil the product of its part of the row, which is small therefore.
  const apart: usize = multiplied == NOTHING ? end : start + ((hole - start) & ~(APART - 1));
  const first = highestEntry(start, min(start + BLOCK, end));
  let isFound = first > -Infinity;
  // −∞ − −∞ would be NaN: nothing above −∞ was found yet.
  origin = isFound ? first : 0;
  highest = -Infinity;
  sum = 0;
  weightedSum = 0;
  dotSum = 0;
  for (let at = start, partEnd = start; at < end; at = partEnd) {
    const isApart = at == apart;
    partEnd = min(isApart ? at + APART : at < apart ? min(at + BLOCK, apart) : at + BLOCK, end);
    const u: usize = table == 0 ? 0 : table + (at - start);
    const product = isApart ? NOTHING : multiplied;
    sumPart(at, partEnd, rate, weighted, product, u);
    if (partHighest > (isFound ? origin + MARGIN / scale : -Infinity)) {
      const before: f64 = multiplied == NOTHING ? 0 : weightBefore(at - start, table, hole - start);
      referTo(partHighest, isFound ? origin : partHighest, scale, before);
      isFound = true;
      sumPart(at, partEnd, rate, weighted, product, u);
    }
    highest = max(highest, partHighest);
    sum += partSum;
    weightedSum += partWeightedSum;
    if (isApart) dotSum += dotBeside(at, partEnd, u, hole);
    else if (multiplied != NOTHING) {
      // Not finite: an entry of −∞, which adds nothing where its weight is 0.
      dotSum += abs(partDotSum) < Infinity ? partDotSum : dot(at, partEnd - at, origin, 0, u);
    }
  }
  if (highest > -Infinity && highest != origin) referTo(highest, origin, scale, total);
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

/** Σ u_j of the first `length` bytes of a row, without the entry at the hole. */
function weightBefore(length: usize, table: usize, hole: usize): f64 {
  if (table == 0) return <f64>(length >> 2) - (hole < length ? 1 : 0);
  return totalWeight(length, table, 0) - (hole < length ? <f64>load<f32>(table + hole) : 0);
}

/** The product of a part of the row without the entry at the hole. */
function dotBeside(start: usize, end: usize, u: usize, hole: usize): f64 {
  const after = hole + 4;
  return dot(start, hole - start, origin, 0, u) + dot(after, end - after, origin, 0, u == 0 ? 0 : u + (after - start));
}

/** Leaves the results of a part of the row in the variables above. */
function sumPart(start: usize, end: usize, rate: f32, weighted: bool, product: i32, u: usize): void {
  if (product == ENTRIES_BY_TABLE) {
    if (weighted) sumWeightedAndTable(start, end, rate, u);
    else sumAndTable(start, end, rate, u);
  } else if (product == ENTRIES) {
    if (weighted) sumWeightedAndEntries(start, end, rate);
    else sumAndEntries(start, end, rate);
  } else if (weighted) sumWeighted(start, end, rate);
  else sumPlain(start, end, rate);
}

// Functions of their own: compilers give a small one more registers.

function sumPlain(start: usize, end: usize, rate: f32): void {
  sumLanes(start, end, rate, false, NOTHING, 0);
}

function sumWeighted(start: usize, end: usize, rate: f32): void {
  sumLanes(start, end, rate, true, NOTHING, 0);
}

function sumAndEntries(start: usize, end: usize, rate: f32): void {
  sumLanes(start, end, rate, false, ENTRIES, 0);
}

function sumWeightedAndEntries(start: usize, end: usize, rate: f32): void {
  sumLanes(start, end, rate, true, ENTRIES, 0);
}

function sumAndTable(start: usize, end: usize, rate: f32, u: usize): void {
  sumLanes(start, end, rate, false, ENTRIES_BY_TABLE, u);
}

function sumWeightedAndTable(start: usize, end: usize, rate: f32, u: usize): void {
  sumLanes(start, end, rate, true, ENTRIES_BY_TABLE, u);
}

@inline
function sumLanes(start: usize, end: usize, rate: f32, weighted: bool, product: i32, u: usize): void {
  const origins = f32x4.splat(origin);
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
  if (end - start >= 16) {
    // Of the vector before: what its exponential is made of. While that is multiplied the next one's is found. V8, which has
    // too few registers for all three sums, takes a fifth less time so than with one vector a round from its entry to its sums.
    let t = lowest;
    let rounded = f32x4.add(lowest, rounding);
    let f = f32x4.splat(0);
    for (let left = end - start; left >= 16; left = end - at) {
      const stop = at + (min(left, FOLD) & ~15);
      let part = f32x4.splat(0);
      let weightedPart = f32x4.splat(0);
      let dotPart = f32x4.splat(0);
      do {
        const e = powerOf(f, rounded, one, first, second, third, fourth);
        part = f32x4.add(part, e);
        if (weighted) weightedPart = madd(e, t, weightedPart);
        const v = v128.load(at);
        const d = f32x4.sub(v, origins);
        t = exponentOf(d, rates, lowest);
        rounded = f32x4.add(t, rounding);
        f = fractionOf(t, rounded, rounding);
        tops = f32x4.pmax(tops, v);
        if (product == ENTRIES) dotPart = f32x4.add(dotPart, d);
        else if (product == ENTRIES_BY_TABLE) dotPart = madd(d, v128.load(at + toTable), dotPart);
        at += 16;
      } while (at < stop);
      sums = addPairs(sums, part);
      if (weighted) weightedSums = addPairs(weightedSums, weightedPart);
      if (product != NOTHING) dots = addPairs(dots, dotPart);
    }
    const e = powerOf(f, rounded, one, first, second, third, fourth);
    sums = addPairs(sums, e);
    if (weighted) weightedSums = addPairs(weightedSums, f32x4.mul(e, t));
  }
  if (at < end) {
    const v = loadTail(at, end, f32x4.splat(-Infinity));
    const t = exponentOf(f32x4.sub(v, origins), rates, lowest);
    const e = exp2(t, rounding, one, first, second, third, fourth);
    tops = f32x4.pmax(tops, v);
    sums = addPairs(sums, e);
    if (weighted) weightedSums = addPairs(weightedSums, f32x4.mul(e, t));
    if (product != NOTHING) {
      // What lies beyond the end is not taken in.
      const d = f32x4.sub(loadTail(at, end, origins), origins);
      const w = product == ENTRIES ? one : loadTail(at + toTable, end + toTable, f32x4.splat(0));
      dots = addPairs(dots, f32x4.mul(d, w));
    }
  }
  partHighest = highestLane(tops);
  partSum = sumOfPair(sums);
  // From units of log₂ to those of log.
  if (weighted) partWeightedSum = LN2 * sumOfPair(weightedSums);
  if (product != NOTHING) partDotSum = sumOfPair(dots);
}

/** The pairs with the lanes added, in float64: long sums of float32 drift. */
@inline
function addPairs(pairs: v128, lanes: v128): v128 {
  return f64x2.add(pairs, f64x2.add(promoteLow(lanes), promoteHigh(lanes)));
}
