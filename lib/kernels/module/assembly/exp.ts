/**
 * Exponentials of four float32 lanes.
 *
 * 2^t = 2^k (2^(f/2))² with k = round(t) and f = t − k, |f| ≤ ½. 2^(f/2) is the polynomial of degree 4 with 1 + … that is
 * nearest to it relatively (Lawson); squaring it takes one addition less than one polynomial as exact, and additions are
 * what the processor has too few units for. e^x is 2^(x log₂ e): t is rounded once, which costs |t| · 6e-8 of a number
 * that is 2^−|t| of the largest.
 *
 * The numbers of the polynomial are variables that nobody changes. V8 makes a vector of constants anew at each use, in
 * every round of a loop, and a vector of a variable's value once before it; the export keeps the optimizer from making
 * constants of them.
 */
import { madd } from "./lanes";

/** Below it 2^t is 0: the exponent field of 2^k for k = −127. */
export let LOWEST: f32 = -127;
/** Adding 1.5 · 2²³ rounds to an integer; with 127 more, the low bits are the exponent field of 2^k. */
export let ROUNDING: f32 = 12582912 + 127;
export let ONE: f32 = 1;
export let FIRST: f32 = 0.34657282018671404;
export let SECOND: f32 = 0.06005684517479984;
export let THIRD: f32 = 0.006950828848755179;
export let FOURTH: f32 = 0.0006006247874638316;

export const LOG2E: f64 = 1.4426950408889634;
export const LN2: f64 = 0.6931471805599453;

/** t = rate · d, and at least −127, where `exp2` is 0; NaN for NaN. */
@inline
export function exponentOf(d: v128, rates: v128, lowest: v128): v128 {
  return f32x4.pmax(f32x4.mul(d, rates), lowest);
}

/**
 * 2^t within 4e-7 of itself for −127 ≤ t < 128, exactly 0 at −127, NaN for NaN. The other arguments are the variables above
 * in all lanes, which whoever calls it in a loop makes before the loop: here they would be made again in each round.
 */
@inline
export function exp2(t: v128, rounding: v128, one: v128, first: v128, second: v128, third: v128, fourth: v128): v128 {
  const rounded = f32x4.add(t, rounding);
  return powerOf(fractionOf(t, rounded, rounding), rounded, one, first, second, third, fourth);
}

/** f = t − k, with t + rounding, whose low bits are k. */
@inline
export function fractionOf(t: v128, rounded: v128, rounding: v128): v128 {
  return f32x4.sub(t, f32x4.sub(rounded, rounding));
}

/** 2^t of its parts. */
@inline
export function powerOf(f: v128, rounded: v128, one: v128, first: v128, second: v128, third: v128, fourth: v128): v128 {
  let p = madd(f, fourth, third);
  p = madd(p, f, second);
  p = madd(p, f, first);
  p = madd(p, f, one);
  return f32x4.mul(f32x4.mul(p, p), i32x4.shl(rounded, 23));
}
/** exp(high + low) for −88 ≤ high ≤ 88 and a low that is far smaller. */
@inline
export function expOfSum(high: v128, low: v128): v128 {
  const rounded = roundedExponent(high);
  return f32x4.mul(expOfReduced(f32x4.add(reducedArgument(high, rounded), low)), powerOfTwo(rounded));
}

@inline
function expOfReduced(r: v128): v128 {
  let p = madd(r, f32x4.splat(0.0013780406443402171), f32x4.splat(0.008368846960365772));
  p = madd(p, r, f32x4.splat(0.0416690856218338));
  p = madd(p, r, f32x4.splat(0.1666651964187622));
  p = madd(p, r, f32x4.splat(0.49999991059303284));
  p = madd(p, r, f32x4.splat(1));
  return madd(p, r, f32x4.splat(1));
}

/** exp(r) − 1 for the reduced r of x, with its digits near 0: exp(x) = 2^k + 2^k · it. */
@inline
export function reducedExpm1(r: v128): v128 {
  let p = madd(r, f32x4.splat(0.00138825227492341), f32x4.splat(0.0083665139422658));
  p = madd(p, r, f32x4.splat(0.041667199646359385));
  p = madd(p, r, f32x4.splat(0.1666654367013943));
  p = madd(p, r, f32x4.splat(0.4999999815515332));
  return madd(f32x4.mul(p, r), r, r);
}

/** round(x / ln 2), shifted such that its low bits are the exponent field of 2^k. */
@inline
export function roundedExponent(x: v128): v128 {
  return madd(x, f32x4.splat(1.4426950408889634), f32x4.splat(ROUNDING));
}

/** r = x − k ln 2. */
@inline
export function reducedArgument(x: v128, rounded: v128): v128 {
  const k = f32x4.sub(rounded, f32x4.splat(ROUNDING));
  return madd(k, f32x4.splat(2.12194440e-4), madd(k, f32x4.splat(-0.693359375), x));
}

/** 2^k. */
@inline
export function powerOfTwo(rounded: v128): v128 {
  return i32x4.shl(rounded, 23);
}
