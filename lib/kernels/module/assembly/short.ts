/**
 * Sums over the others of rows that are a few vectors long. A hole in the row, as longer rows have, would make the processor
 * wait: it is slow to read vectors over a single entry that was just written. So the label is left out by its lane.
 */
import { exp2, exponentOf, FIRST, FOURTH, LOG2E, LOWEST, ONE, ROUNDING, SECOND, THIRD } from "./exp";
import { highestLane, loadTail, sumOfLanes } from "./lanes";

/** Bytes of the longest row: a lane adds up 8 numbers in float32. */
export const SHORT: usize = 128;

/** The highest of the others of the row, and Σ exp(scale (v_j − highest)) over them. */
export let highestOfShort: f32 = 0;
export let sumOfShort: f64 = 0;

/** Leaves the results in the variables above. */
@inline
export function sumShort(start: usize, end: usize, label: i32, scale: f32): void {
  const lanes = i32x4(0, 1, 2, 3);
  const none = f32x4.splat(-Infinity);
  const first = i32x4.sub(lanes, i32x4.splat(label));
  let tops = none;
  let distance = first;
  let at = start;
  for (; end - at >= 16; at += 16) {
    tops = f32x4.pmax(tops, v128.or(v128.load(at), hidden(distance)));
    distance = i32x4.add(distance, i32x4.splat(4));
  }
  const tail = at < end ? loadTail(at, end, none) : none;
  tops = f32x4.pmax(tops, v128.or(tail, hidden(distance)));
  const highest = highestLane(tops);
  const origins = f32x4.splat(highest == -Infinity ? 0 : highest);
  const rates = f32x4.splat(<f32>(<f64>scale * LOG2E));
  let sums = f32x4.splat(0);
  distance = first;
  for (at = start; end - at >= 16; at += 16) {
    sums = f32x4.add(sums, v128.andnot(exponentialOf(v128.load(at), origins, rates), hidden(distance)));
    distance = i32x4.add(distance, i32x4.splat(4));
  }
  sums = f32x4.add(sums, v128.andnot(exponentialOf(tail, origins, rates), hidden(distance)));
  highestOfShort = highest;
  sumOfShort = sumOfLanes(sums);
}

/** All bits in the lane at a distance of 0, which is the label's. With them a number is NaN, which no maximum takes in. */
@inline
function hidden(distance: v128): v128 {
  return i32x4.eq(distance, i32x4.splat(0));
}

@inline
function exponentialOf(values: v128, origins: v128, rates: v128): v128 {
  const t = exponentOf(f32x4.sub(values, origins), rates, f32x4.splat(LOWEST));
  return exp2(
    t,
    f32x4.splat(ROUNDING),
    f32x4.splat(ONE),
    f32x4.splat(FIRST),
    f32x4.splat(SECOND),
    f32x4.splat(THIRD),
    f32x4.splat(FOURTH),
  );
}
