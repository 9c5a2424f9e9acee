/** The highest entry of a row. */
import { highestLane, loadTail } from "./lanes";

/** The highest of the entries between `start` and `end`; NaN is passed over, and −∞ is the highest of none. */
export function highestEntry(start: usize, end: usize): f32 {
  const none = f32x4.splat(-Infinity);
  let at = start;
  let first = none;
  if (end - start >= 64) {
    let second = none;
    let third = none;
    let fourth = none;
    const last = end - 64;
    do {
      first = f32x4.pmax(first, v128.load(at));
      second = f32x4.pmax(second, v128.load(at, 16));
      third = f32x4.pmax(third, v128.load(at, 32));
      fourth = f32x4.pmax(fourth, v128.load(at, 48));
      at += 64;
    } while (at <= last);
    first = f32x4.pmax(f32x4.pmax(first, second), f32x4.pmax(third, fourth));
  }
  for (; end - at >= 16; at += 16) first = f32x4.pmax(first, v128.load(at));
  if (at < end) first = f32x4.pmax(first, loadTail(at, end, none));
  return highestLane(first);
}

/** Where the first of the entries that are equal to `entry` is, counted from `start`; −1 where none is. */
export function positionOf(entry: f32, start: usize, end: usize): i32 {
  const wanted = f32x4.splat(entry);
  let at = start;
  while (end - at >= 16 && !v128.any_true(f32x4.eq(v128.load(at), wanted))) at += 16;
  for (; at < end; at += 4) if (load<f32>(at) == entry) return <i32>((at - start) >> 2);
  return -1;
}

/** Whether one of the entries is NaN. */
export function hasNaN(start: usize, end: usize): bool {
  let found = i32x4.splat(0);
  let at = start;
  for (; end - at >= 16; at += 16) {
    const entries = v128.load(at);
    found = v128.or(found, f32x4.ne(entries, entries));
  }
  for (; at < end; at += 4) {
    const entry = load<f32>(at);
    if (entry != entry) return true;
  }
  return v128.any_true(found);
}
