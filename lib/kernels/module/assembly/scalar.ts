/**
 * The few functions that a row's own numbers need, in float64 and without tables: the standard library's keep theirs in
 * linear memory, which is not ours. Their relative error is below 1e-11, far below float32's.
 */

const LN2_HIGH: f64 = 6.93147180369123816490e-1;
const LN2_LOW: f64 = 1.90821492927058770002e-10;

/** Adding 1.5 · 2⁵² rounds to an integer; with 1023 more, the low bits are the exponent field of 2^k. */
const ROUNDING: f64 = 6755399441055744 + 1023;

/** e^x for x ≤ 709; 0 below −708, NaN for NaN. */
export function exponential(x: f64): f64 {
  if (x < -708) return 0;
  const rounded = x * 1.4426950408889634 + ROUNDING;
  const k = rounded - ROUNDING;
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  // The Taylor polynomial of degree 11, in parts that the processor works on at the same time.
  const r2 = r * r;
  const r4 = r2 * r2;
  const low = 1 + r + r2 * (0.5 + r * (1.0 / 6));
  const middle = 1.0 / 24 + r * (1.0 / 120) + r2 * (1.0 / 720 + r * (1.0 / 5040));
  const high = 1.0 / 40320 + r * (1.0 / 362880) + r2 * (1.0 / 3628800 + r * (1.0 / 39916800));
  return (low + r4 * (middle + r4 * high)) * reinterpret<f64>(reinterpret<i64>(rounded) << 52);
}

/** log(1 + x) for 0 ≤ x ≤ 1, with the digits of a small x; NaN for NaN. */
export function log1pOfUnit(x: f64): f64 {
  // Above √2 − 1 it is log 2 + log((1 + x) / 2).
  const high = x > 0.41421356237309503;
  const quotient = high ? (x - 1) / (x + 3) : x / (x + 2);
  return doubleArtanh(quotient) + (high ? 0.6931471805599453 : 0);
}

/** log x for normal x > 0; −∞ at 0, ∞ at ∞, NaN for NaN. */
export function logarithm(x: f64): f64 {
  if (!(x > 0 && x < Infinity)) return x == 0 ? -Infinity : x > 0 ? x : NaN;
  // x = 2^k m with m between √½ and √2.
  const bits = reinterpret<i64>(x) - 0x3fe6a09e667f3bcd;
  const m = reinterpret<f64>((bits & 0x000fffffffffffff) + 0x3fe6a09e667f3bcd);
  return <f64>(bits >> 52) * 0.6931471805599453 + doubleArtanh((m - 1) / (m + 1));
}

/** 2 artanh s = log((1 + s) / (1 − s)) for |s| ≤ 0.1716, by its Taylor polynomial of degree 15. */
@inline
function doubleArtanh(s: f64): f64 {
  const z = s * s;
  const z2 = z * z;
  const low = 2.0 / 3 + z * (2.0 / 5);
  const middle = 2.0 / 7 + z * (2.0 / 9);
  const high = 2.0 / 11 + z * (2.0 / 13) + z2 * (2.0 / 15);
  return s * 2 + s * z * (low + z2 * (middle + z2 * high));
}

/** 1 / (1 + e^−x). */
export function sigmoid(x: f64): f64 {
  const e = exponential(-abs(x));
  return (x < 0 ? e : 1) / (1 + e);
}

/** tanh a − tanh b = sinh(a − b) / (cosh a · cosh b), in which nothing cancels where a is near b; for |a|, |b| < 300. */
export function tanhDifference(a: f64, b: f64): f64 {
  const change = -2 * expm1OfNegative(-2 * abs(a - b));
  const magnitude = change / ((1 + exponential(-2 * max(a, b))) * (1 + exponential(2 * min(a, b))));
  return a < b ? -magnitude : magnitude;
}

/** e^x − 1 for x ≤ 0. */
function expm1OfNegative(x: f64): f64 {
  if (x < -0.01) return exponential(x) - 1;
  return x * (1 + x * (0.5 + x * (1.0 / 6 + x * (1.0 / 24 + x * (1.0 / 120 + x * (1.0 / 720))))));
}
