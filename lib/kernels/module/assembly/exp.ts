/**
 * Exponentials of four float32 lanes.
 *
 * exp(x) = 2^k exp(r) with k = round(x / ln 2) and r = x − k ln 2, |r| ≤ ln 2 / 2; ln 2 in two parts, of which the first
 * has so few bits that k times it is exact (Cody and Waite). exp(r) is the polynomial of degree 6 with 1 + r + … that
 * is nearest to it in units in the last place (Remez).
 */
import { madd } from "./lanes";

/** Adding 1.5 · 2²³ rounds to an integer; with 127 more, the low bits are the exponent field of 2^k. */
const ROUNDING: f32 = 12582912 + 127;

/**
 * exp(x) within 2 units in the last place for −87.3 ≤ x ≤ 88, exactly 0 at −∞ and below −87.7, NaN for NaN. Above 88 the
 * result means nothing.
 */
@inline
export function exp(x: v128): v128 {
  // x < −88 ? −88 : x, which keeps NaN; k is then −127, and the exponent field of 2^k is 0.
  const bounded = f32x4.pmax(x, f32x4.splat(-88));
  const rounded = roundedExponent(bounded);
  return f32x4.mul(expOfReduced(reducedArgument(bounded, rounded)), powerOfTwo(rounded));
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
