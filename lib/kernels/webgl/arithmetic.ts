/** exp and expm1 of so many numbers at once. */
function exponentials(lanes: 2 | 4): string {
  return `
/** exp(x) for −88 ≤ x ≤ 88 within 2 units in the last place, 0 below: shaders' own exp may lose a digit or two. */
vec${lanes} preciseExp(vec${lanes} x) {
  vec${lanes} bounded = clamp(x, -88., 88.);
  // Cody and Waite: k times the first part of ln 2 is exact.
  vec${lanes} k = floor(bounded * 1.44269504 + .5);
  vec${lanes} r = (bounded - k * .693359375) + k * 2.12194440e-4;
  // The polynomial of degree 6 that is nearest to exp(r) in units in the last place (Remez).
  vec${lanes} p = ((((.0013780406 * r + .0083688470) * r + .0416690856) * r + .1666651964) * r + .4999999106) * r + 1.;
  vec${lanes} power = intBitsToFloat((ivec${lanes}(k) + 127) << 23);
  return mix((p * r + 1.) * power, vec${lanes}(0.), lessThan(x, vec${lanes}(-87.3)));
}

/** exp(x) − 1 with its digits near 0. */
vec${lanes} preciseExpm1(vec${lanes} x) {
  vec${lanes} p = (((((x / 5040. + 1. / 720.) * x + 1. / 120.) * x + 1. / 24.) * x + 1. / 6.) * x + .5) * x + 1.;
  return mix(preciseExp(x) - 1., p * x, lessThan(abs(x), vec${lanes}(.35)));
}`;
}

/**
 * Functions that every program of ours has, in GLSL. Infinities and NaN are told by their bits, since shaders need not
 * keep them, and stand for themselves as large numbers between programs:
 * - LOWEST is −∞: an entry without probability
 * - INFINITE is ∞ and UNDEFINED is NaN; both are above UPPER, which no other number is
 *
 * No formula relies on the order in which a compiler adds: those that cancel are written such that nothing cancels.
 */
export const arithmetic: string = `
const float LOWEST = -1e38;
const float UPPER = 1.5e38;
const float INFINITE = 2e38;
const float UNDEFINED = 3e38;

/** The unevaluated sum of two float32, y far smaller than x. */
struct Two {
  vec4 x;
  vec4 y;
};

/** Replaces what is not an ordinary number. */
vec4 withoutInfinities(vec4 x) {
  uvec4 bits = floatBitsToUint(x);
  uvec4 size = bits & uvec4(0x7fffffffu);
  // The bits of 1e38.
  bvec4 isSpecial = greaterThanEqual(size, uvec4(0x7e967699u));
  if (any(isSpecial)) {
    vec4 high = mix(vec4(LOWEST), vec4(INFINITE), equal(bits, size));
    x = mix(x, mix(high, vec4(UNDEFINED), greaterThan(size, uvec4(0x7f800000u))), isSpecial);
  }
  return x;
}

bvec2 isUndefined(vec2 x) {
  return greaterThan(floatBitsToUint(x) & uvec2(0x7fffffffu), uvec2(0x7f800000u));
}

float infinity() {
  return uintBitsToFloat(0x7f800000u);
}

${exponentials(4)}
${exponentials(2)}

/** 2 artanh q for |q| ≤ 1/3. */
vec2 doubleArtanh(vec2 q) {
  vec2 z = q * q;
  return 2. * q * (1. + z * (1. / 3. + z * (1. / 5. + z * (1. / 7. + z * (1. / 9. + z * (1. / 11. + z * (1. / 13. + z / 15.)))))));
}

/** log x for x > 0. */
vec2 preciseLog(vec2 x) {
  // x = 2^k m with m between √½ and √2.
  ivec2 bits = floatBitsToInt(x) - 0x3f3504f3;
  vec2 m = intBitsToFloat((bits & 0x007fffff) + 0x3f3504f3);
  return vec2(bits >> 23) * .693147181 + doubleArtanh((m - 1.) / (m + 1.));
}

/** log(1 + x) for x ≥ 0, with the digits of a small x. */
vec2 log1p(vec2 x) {
  vec2 small = doubleArtanh(x / (x + 2.));
  return mix(preciseLog(1. + x), small, lessThan(x, vec2(1.)));
}
`;

/**
 * Arithmetic of such sums, with about 45 bits (Dekker, Knuth). `zero` is 0, which no
 * compiler knows: an error term a − ((a + b) − b) would otherwise become 0.
 */
export const twoFloats = `
vec4 kept(vec4 x) {
  return intBitsToFloat(floatBitsToInt(x) ^ floatBitsToInt(zero));
}

Two sumOf(vec4 a, vec4 b) {
  vec4 s = kept(a + b);
  vec4 t = kept(s - a);
  return Two(s, kept(a - kept(s - t)) + kept(b - t));
}

/** The first 12 bits, so that a product of two such numbers is exact. */
vec4 firstHalf(vec4 x) {
  return uintBitsToFloat(floatBitsToUint(x) & uvec4(0xfffff000u));
}

Two productOf(vec4 a, vec4 b) {
  vec4 p = kept(a * b);
  vec4 a1 = firstHalf(a);
  vec4 b1 = firstHalf(b);
  vec4 a2 = a - a1;
  vec4 b2 = b - b1;
  return Two(p, kept(a1 * b1 - p) + (a1 * b2 + a2 * b1 + a2 * b2));
}

Two normal2(vec4 a, vec4 b) {
  vec4 s = kept(a + b);
  return Two(s, b - kept(s - a));
}

Two negative2(Two a) {
  return Two(-a.x, -a.y);
}

Two add2(Two a, Two b) {
  Two s = sumOf(a.x, b.x);
  return normal2(s.x, s.y + (a.y + b.y));
}

/** Not made normal: y may be a little more than is rounded off of x. */
Two multiply2(Two a, Two b) {
  Two p = productOf(a.x, b.x);
  return Two(p.x, p.y + (a.x * b.y + a.y * b.x));
}

Two plus(Two a, float b) {
  Two s = sumOf(a.x, vec4(b));
  return normal2(s.x, s.y + a.y);
}

Two divide2(Two a, Two b) {
  vec4 q = kept(a.x / b.x);
  Two p = productOf(q, b.x);
  return normal2(q, (kept(a.x - p.x) - p.y + a.y - q * b.y) / b.x);
}

/** e^x for −87 < x < 87, within 1e-8: 1 + r in two floats, and the rest of the series, which is small, in one. */
Two exponential2(Two x) {
  vec4 k = floor(x.x * 1.44269504 + .5);
  Two r = normal2(kept(x.x - kept(k * .693359375)), x.y + k * 2.12194440e-4);
  vec4 p = ((((r.x * 2.48015873e-5 + 1.98412698e-4) * r.x + .00138888889) * r.x + .00833333333) * r.x + .0416666667) * r.x + .166666667;
  vec4 series = r.y + r.x * r.x * (.5 + p * r.x);
  Two sum = normal2(vec4(1.), r.x);
  sum = normal2(sum.x, sum.y + series);
  vec4 power = intBitsToFloat((ivec4(k) + 127) << 23);
  return Two(sum.x * power, sum.y * power);
}
`;
