/**
 * Functions in WGSL. The language's own exp and log may be off by several units in the last place, and a compiler may
 * assume that there is neither NaN nor infinity: these functions are exact to about 2 units, and look at bits.
 */

/**
 * - kept(x): x, in a way that no compiler can see through. An error term a − ((a + b) − b) would otherwise become 0.
 * - exponential(x): e^x for x ≤ 88, 0 below −87.7. Cody and Waite's reduction, and the polynomial of degree 6 with
 *   1 + r + … that is nearest to e^r in units in the last place (Remez).
 * - logarithm(x), log1pOf(x): for normal x > 0, and for x ≥ 0 with the digits of a small x; by log((1 + s) / (1 − s)) =
 *   2 artanh s.
 */
export const arithmetic = /* wgsl */ `
fn kept(x : f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(x) ^ uniforms.zero);
}

fn isNotANumber(x : f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn isZero(x : f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) == 0u;
}

/* NaN or +infinity. */
fn isFlaw(x : f32) -> bool {
  let bits = bitcast<u32>(x);
  return (bits & 0x7fffffffu) > 0x7f800000u || bits == 0x7f800000u;
}

/* x - k ln 2. Without kept, drivers make one product of the two. */
fn reduced(x : f32, k : f32) -> f32 {
  return fma(k, 2.12194440e-4, kept(fma(k, -0.693359375, x)));
}

fn powerOfTwo(k : f32) -> f32 {
  return bitcast<f32>((i32(k) + 127) << 23u);
}

fn exponentialOfReduced(r : f32) -> f32 {
  var p = fma(r, 0.0013780406443402171, 0.008368846960365772);
  p = fma(p, r, 0.0416690856218338);
  p = fma(p, r, 0.1666651964187622);
  p = fma(p, r, 0.49999991059303284);
  p = fma(p, r, 1.0);
  return fma(p, r, 1.0);
}

fn exponential(x : f32) -> f32 {
  let bounded = max(x, -88.0);
  let k = round(bounded * 1.4426950408889634);
  return exponentialOfReduced(reduced(bounded, k)) * powerOfTwo(k);
}

fn doubleArtanh(s : f32) -> f32 {
  let z = s * s;
  let p = fma(z, fma(z, fma(z, 0.22222222, 0.2857142857), 0.4), 0.6666666667);
  return fma(s * z, p, 2.0 * s);
}

fn logarithm(x : f32) -> f32 {
  let bits = bitcast<i32>(x) - 0x3f3504f3;
  let m = bitcast<f32>((bits & 0x007fffff) + 0x3f3504f3);
  let k = f32(bits >> 23u);
  return fma(k, 0.693359375, fma(k, -2.12194440e-4, doubleArtanh((m - 1.0) / (m + 1.0))));
}

fn log1pOf(x : f32) -> f32 {
  if (x < 0.4) {
    return doubleArtanh(x / (x + 2.0));
  }
  return logarithm(1.0 + x);
}
`;

/** Numbers as unevaluated sums of two float32, the second far smaller, with about 45 bits (Dekker, Knuth). */
export const twoFloats = /* wgsl */ `
fn sumOf(a : f32, b : f32) -> vec2<f32> {
  let s = kept(a + b);
  let t = kept(s - a);
  return vec2<f32>(s, kept(a - kept(s - t)) + kept(b - t));
}

/* The first halves have 12 bits, so that their product is exact. */
fn productOf(a : f32, b : f32) -> vec2<f32> {
  let p = kept(a * b);
  let a1 = bitcast<f32>(bitcast<u32>(a) & 0xfffff000u);
  let b1 = bitcast<f32>(bitcast<u32>(b) & 0xfffff000u);
  let a2 = a - a1;
  let b2 = b - b1;
  return vec2<f32>(p, kept(kept(kept(a1 * b1 - p) + a1 * b2) + a2 * b1) + a2 * b2);
}

fn normal2(a : f32, b : f32) -> vec2<f32> {
  let s = kept(a + b);
  return vec2<f32>(s, b - kept(s - a));
}

fn add2(a : vec2<f32>, b : vec2<f32>) -> vec2<f32> {
  let s = sumOf(a.x, b.x);
  return normal2(s.x, s.y + (a.y + b.y));
}

fn multiply2(a : vec2<f32>, b : vec2<f32>) -> vec2<f32> {
  let p = productOf(a.x, b.x);
  return normal2(p.x, p.y + (a.x * b.y + a.y * b.x));
}

fn divide2(a : vec2<f32>, b : vec2<f32>) -> vec2<f32> {
  let q = a.x / b.x;
  let rest = add2(a, -multiply2(vec2<f32>(q, 0.0), b));
  return normal2(q, rest.x / b.x);
}

/* e^x for -87 < x < 87: 1 + r + r^2 / 2 in two floats, and the rest of the series, which is small, in one. */
fn exponential2(x : vec2<f32>) -> vec2<f32> {
  let k = round(x.x * 1.4426950408889634);
  let r = add2(vec2<f32>(fma(k, -0.693359375, x.x), x.y), productOf(k, 2.1219444e-4));
  var p = fma(r.x, 0.0000248015873, 0.000198412698);
  p = fma(p, r.x, 0.00138888889);
  p = fma(p, r.x, 0.00833333333);
  p = fma(p, r.x, 0.04166666667);
  p = fma(p, r.x, 0.16666666667);
  let square = multiply2(r, r) * 0.5;
  let sum = add2(add2(vec2<f32>(1.0, 0.0), r), add2(square, vec2<f32>(p * r.x * r.x * r.x, 0.0)));
  return sum * powerOfTwo(k);
}
`;
