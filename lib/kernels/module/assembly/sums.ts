/**
 * S = Σ exp(scale (v_j − h)) over a row v with highest entry h, and Σ exp(scale (v_j − h)) · scale (v_j − h), in one read
 * of the row.
 *
 * The row is taken in blocks that stay in the nearest cache. Each is worked on relative to the highest entry found so far,
 * its own included; where that is higher than before, the sums so far are rescaled. So exponentials never overflow, small
 * differences stay exact, and the row is not fetched once more just to find its highest entry.
 */
import { exp } from "./exp";
import { highestEntry } from "./highest";
import { loadTail, sumOfLanes } from "./lanes";
import { exponential } from "./scalar";

/** Bytes of a block: 512 entries, so that a lane adds up no more than 32 numbers in float32. */
const BLOCK: usize = 2048;

/** The results of `sumExponentials`. */
export let highest: f32 = 0;
export let sum: f64 = 0;
export let weightedSum: f64 = 0;

let blockSum: f64 = 0;
let blockWeightedSum: f64 = 0;

/** Leaves the row's highest entry and the two sums relative to it in the variables above. */
export function sumExponentials(start: usize, end: usize, scale: f32, weighted: bool): void {
  let top: f32 = -Infinity;
  let total: f64 = 0;
  let weightedTotal: f64 = 0;
  for (let at = start; at < end; ) {
    const blockEnd = min(at + BLOCK, end);
    const blockTop = highestEntry(at, blockEnd);
    if (blockTop > top) {
      const fall: f64 = (<f64>top - <f64>blockTop) * <f64>scale;
      const factor = exponential(fall);
      if (weighted) weightedTotal = factor == 0 ? 0 : factor * (weightedTotal + fall * total);
      total *= factor;
      top = blockTop;
    }
    sumBlock(at, blockEnd, top, scale, weighted);
    total += blockSum;
    weightedTotal += blockWeightedSum;
    at = blockEnd;
  }
  highest = top;
  sum = total;
  weightedSum = weightedTotal;
}

function sumBlock(start: usize, end: usize, reference: f32, scale: f32, weighted: bool): void {
  // −∞ − −∞ would be NaN: nothing above −∞ was found yet.
  const origin: f32 = reference == -Infinity ? 0 : reference;
  blockWeightedSum = 0;
  if (weighted) sumWeighted(start, end, origin, scale);
  else if (scale == 1) sumPlain(start, end, origin);
  else sumScaled(start, end, origin, scale);
}

// Functions of their own: compilers give a small one more registers.

function sumPlain(start: usize, end: usize, origin: f32): void {
  sumLanes(start, end, origin, 1, false, false);
}

function sumScaled(start: usize, end: usize, origin: f32, scale: f32): void {
  sumLanes(start, end, origin, scale, true, false);
}

function sumWeighted(start: usize, end: usize, origin: f32, scale: f32): void {
  sumLanes(start, end, origin, scale, true, true);
}

@inline
function sumLanes(start: usize, end: usize, origin: f32, scale: f32, scaled: bool, weighted: bool): void {
  const origins = f32x4.splat(origin);
  const scales = f32x4.splat(scale);
  const zero = f32x4.splat(0);
  let first = zero;
  let second = zero;
  let firstWeighted = zero;
  let secondWeighted = zero;
  let at = start;
  for (; end - at >= 32; at += 32) {
    const a = v128.load(at);
    const b = v128.load(at, 16);
    const x = relative(a, origins, scales, scaled);
    const y = relative(b, origins, scales, scaled);
    const e = exp(x);
    const f = exp(y);
    first = f32x4.add(first, e);
    second = f32x4.add(second, f);
    if (weighted) {
      firstWeighted = f32x4.add(firstWeighted, weight(e, x));
      secondWeighted = f32x4.add(secondWeighted, weight(f, y));
    }
  }
  for (; at < end; at += 16) {
    const entries = end - at >= 16 ? v128.load(at) : loadTail(at, end, f32x4.splat(-Infinity));
    const x = relative(entries, origins, scales, scaled);
    const e = exp(x);
    first = f32x4.add(first, e);
    if (weighted) firstWeighted = f32x4.add(firstWeighted, weight(e, x));
  }
  blockSum = sumOfLanes(f32x4.add(first, second));
  if (weighted) blockWeightedSum = sumOfLanes(f32x4.add(firstWeighted, secondWeighted));
}

@inline
function relative(entries: v128, origins: v128, scales: v128, scaled: bool): v128 {
  const differences = f32x4.sub(entries, origins);
  return scaled ? f32x4.mul(differences, scales) : differences;
}

/** e · x, and 0 where e is 0 also at x = −∞. */
@inline
function weight(e: v128, x: v128): v128 {
  return f32x4.mul(e, f32x4.pmax(x, f32x4.splat(-88)));
}
