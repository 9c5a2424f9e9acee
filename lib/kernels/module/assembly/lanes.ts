/** Four float32 lanes at a time: partial vectors at the end of a row, and folds of lanes into one number. */

/** a·b + c, rounded once where the module may use relaxed SIMD and the processor has the instruction. */
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** The 1 to 3 entries before `end`, the other lanes filled up: nothing beyond the row is read. */
@inline
export function loadTail(at: usize, end: usize, filling: v128): v128 {
  const bytes = end - at;
  if (bytes == 4) return v128.load_lane<f32>(at, filling, 0);
  const pair = v128.load_lane<u64>(at, filling, 0);
  return bytes == 8 ? pair : v128.load_lane<f32>(at, pair, 2, 8);
}

/** Stores the first 1 to 3 lanes before `end`. */
@inline
export function storeTail(at: usize, end: usize, lanes: v128): void {
  const bytes = end - at;
  if (bytes == 4) {
    v128.store_lane<f32>(at, lanes, 0);
  } else {
    v128.store_lane<u64>(at, lanes, 0);
    if (bytes == 12) v128.store_lane<f32>(at, lanes, 2, 8);
  }
}

/** The sum of the lanes, as float64 from here on: long sums of float32 drift. */
@inline
export function sumOfLanes(lanes: v128): f64 {
  return sumOfPair(f64x2.add(promoteLow(lanes), promoteHigh(lanes)));
}

/** The sum of two float64. */
@inline
export function sumOfPair(pair: v128): f64 {
  return f64x2.extract_lane(pair, 0) + f64x2.extract_lane(pair, 1);
}

/** The largest lane; lanes that are NaN do not matter if the accumulators never take one in. */
@inline
export function highestLane(lanes: v128): f32 {
  const pairs = f32x4.pmax(lanes, upperHalf(lanes));
  const first = f32x4.extract_lane(pairs, 0);
  const second = f32x4.extract_lane(pairs, 1);
  return first < second ? second : first;
}

/** Lanes 2 and 3 in the places of lanes 0 and 1. */
@inline
export function upperHalf(lanes: v128): v128 {
  return i64x2.shuffle(lanes, lanes, 1, 1);
}

@inline
export function promoteLow(lanes: v128): v128 {
  return f64x2.promote_low_f32x4(lanes);
}

@inline
export function promoteHigh(lanes: v128): v128 {
  return f64x2.promote_low_f32x4(upperHalf(lanes));
}

/** Two pairs of float64 as four float32. */
@inline
export function demote(low: v128, high: v128): v128 {
  return i64x2.shuffle(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
}
