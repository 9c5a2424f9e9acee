/**
 * A view z'_j = bias_j + cap · tanh(scale z_j / cap), or bias_j + scale z_j, in GLSL.
 *
 * Entries are compared by a level, and their differences are taken from levels such that nothing that matters is lost in
 * float32, at whatever height a row lies:
 * - without a bias the level is the logit
 * - with one it is bias_j + v(z_j) − v(ζ), where v is the view without its bias, and ζ, the anchor, is the logit of an
 *   entry that is highest in the view or nearly so
 *
 * A bias that is one number moves no difference.
 *
 * Of a gap of 30 float32 rounds 1e-6 off, which is a relative error of its exponential. Scaling, capping and adding a bias
 * round as often more; so what they round off is kept, as a second float32, and goes into the exponential.
 */
import type * as tf from "@tensorflow/tfjs";
import type { WideView } from "../views.ts";
import { type Inputs, samplerOf } from "./program.ts";

/** |scale z / cap| at and above which tanh is taken as ±1, from which it differs by 8e-11. */
const saturation = 12;

/** Whether what is rounded off in the view's differences is kept. */
export function keepsRests({ scale, cap, bias }: WideView): boolean {
  return scale !== 1 || cap !== null || typeof bias !== "number";
}

export function hasAnchor({ bias }: WideView): boolean {
  return typeof bias !== "number";
}

/**
 * Declares, for a view called V:
 * - VLevel2(row, column, anchor), the levels of two rows and two columns with what they round off; VLevel, the levels alone
 * - VRelative2(levels, references), z'_j − z'_h, and VRelative likewise
 * - VPower(relative, rests of the levels), exp(z'_j − z'_h) where that is at most 1
 * - VSlope(row, column), ∂z'_j/∂z_j
 * - VAnchor(row), and VOrigin(reference, anchor), the z' that entries are relative to
 */
export function viewSource(
  name: string,
  view: WideView,
  source: tf.Tensor,
  inputs: Inputs,
  anchor: tf.Tensor | null,
): string {
  const { of, scale, cap, bias } = view;
  inputs.tensor(of, source);
  if (typeof scale === "number") inputs.number(`${name}ScaleNumber`, scale);
  else inputs.tensor(`${name}ScaleInput`, scale);
  if (cap !== null) inputs.number(`${name}Cap`, cap);
  if (typeof bias === "number") inputs.number(`${name}BiasNumber`, bias);
  else inputs.tensor(`${name}Bias`, bias);
  if (anchor !== null) inputs.tensor(`${name}AnchorInput`, anchor);
  const rests = keepsRests(view);
  if (rests) inputs.withTwoFloats();

  const z = `withoutInfinities(${samplerOf(of)}(row, column))`;
  const isLow = cap === null ? "lessThanEqual(z, vec4(LOWEST))" : "bvec4(false)";
  // Of what stands for an infinity nothing is kept.
  const level =
    typeof bias === "number"
      ? "return Two(z, vec4(0.));"
      : `
    vec4 bias = withoutInfinities(${samplerOf(`${name}Bias`)}(column).xyxy);
    Two difference = ${name}Difference2(z, anchor);
    Two sum = add2(difference, Two(bias, vec4(0.)));
    vec4 level = max(sum.x, LOWEST);
    level = mix(level, vec4(LOWEST), lessThan(difference.x, vec4(LOWEST)));
    level = mix(level, vec4(LOWEST), ${isLow});
    level = mix(level, vec4(LOWEST), lessThanEqual(bias, vec4(LOWEST)));
    level = mix(level, vec4(UNDEFINED), greaterThan(z, vec4(UPPER)));
    level = mix(level, vec4(UNDEFINED), greaterThan(bias, vec4(UPPER)));
    return Two(level, mix(sum.y, vec4(0.), greaterThan(max(abs(z), abs(bias)), vec4(1e30))));`;
  // A cap would make something of what is not there.
  const relative =
    typeof bias !== "number"
      ? "return sumOf(z, -h);"
      : `
    bvec4 isNone = lessThanEqual(z, vec4(LOWEST));
    Two difference = ${name}Difference2(z, h);
    return Two(mix(difference.x, vec4(LOWEST), isNone), mix(difference.y, vec4(0.), isNone));`;
  const origin = typeof bias === "number" ? `${name}At(h) + ${name}BiasNumber` : `${name}At(anchor) + h`;
  return `
  float ${name}Scale() {
    return ${typeof scale === "number" ? `${name}ScaleNumber` : `${samplerOf(`${name}ScaleInput`)}().x`};
  }
  ${cap === null ? (rests ? scaleSource(name) : "") : capSource(name)}
  Two ${name}Level2(int row, int column, vec4 anchor) {
    vec4 z = ${cap === null ? z : `${name}Bounded(${z})`};
    ${level}
  }
  vec4 ${name}Level(int row, int column, vec4 anchor) {
    return ${name}Level2(row, column, anchor).x;
  }
  Two ${name}Relative2(vec4 z, vec4 h) {
    ${rests ? relative : "return Two(mix(z - h, vec4(LOWEST), lessThanEqual(z, vec4(LOWEST))), vec4(0.));"}
  }
  vec4 ${name}Relative(vec4 z, vec4 h) {
    return ${name}Relative2(z, h).x;
  }
  vec4 ${name}Power(Two relative, vec4 levelRest) {
    vec4 power = preciseExp(relative.x);
    ${rests ? powerOfRests : "return power;"}
  }
  vec4 ${name}Slope(int row, int column) {
    ${cap === null ? `return vec4(${name}Scale());` : `return ${name}CapSlope(${z});`}
  }
  vec4 ${name}Anchor(int row) {
    return ${anchor === null ? "vec4(0.)" : `${samplerOf(`${name}AnchorInput`)}(row, 0).xxzz`};
  }
  vec4 ${name}At(vec4 z) {
    return ${cap === null ? `${name}Scale() * z` : `${name}Difference2(z, vec4(0.)).x`};
  }
  vec4 ${name}Origin(vec4 h, vec4 anchor) {
    return ${origin};
  }`;
}

/** Far below it all that is left is 0, of which no rest is a number. */
const powerOfRests = "return mix(power + power * (relative.y + levelRest), power, lessThan(relative.x, vec4(-87.)));";

function scaleSource(name: string): string {
  return `
  Two ${name}Difference2(vec4 z, vec4 h) {
    Two difference = sumOf(z, -h);
    Two scaled = productOf(difference.x, vec4(${name}Scale()));
    return Two(scaled.x, scaled.y + difference.y * ${name}Scale());
  }`;
}

/**
 * The difference of two tanh is not taken: it would cancel. With a = scale z / cap and b the same of h,
 * tanh a − tanh b = 2 (e^2(a−b) − 1) / ((1 + e^−2b) (1 + e^2a)).
 */
function capSource(name: string): string {
  return `
  vec4 ${name}Bounded(vec4 z) {
    float bound = ${saturation}. * ${name}Cap / ${name}Scale();
    return mix(clamp(z, -bound, bound), vec4(UNDEFINED), greaterThan(z, vec4(2.5e38)));
  }
  Two ${name}Rate() {
    return divide2(Two(vec4(2. * ${name}Scale()), vec4(0.)), Two(vec4(${name}Cap), vec4(0.)));
  }
  Two ${name}Difference2(vec4 z, vec4 h) {
    Two rate = ${name}Rate();
    h = clamp(h, -${2 * saturation}. / rate.x, ${2 * saturation}. / rate.x);
    z = clamp(z, -${2 * saturation}. / rate.x, ${2 * saturation}. / rate.x);
    Two excess = plus(exponential2(multiply2(rate, sumOf(z, -h))), -1.);
    Two ofH = plus(exponential2(negative2(multiply2(rate, Two(h, vec4(0.))))), 1.);
    Two ofZ = plus(exponential2(multiply2(rate, Two(z, vec4(0.)))), 1.);
    Two divisor = multiply2(ofH, ofZ);
    Two dividend = multiply2(excess, Two(vec4(2. * ${name}Cap), vec4(0.)));
    return divide2(dividend, divisor);
  }
  /** scale (1 − tanh² a) = scale · 4 k / (1 + k)² with k = e^−2|a|, which keeps its digits where tanh is near ±1. */
  vec4 ${name}CapSlope(vec4 z) {
    Two rate = ${name}Rate();
    Two x = multiply2(rate, Two(min(abs(z), 87. / rate.x), vec4(0.)));
    vec4 k = preciseExp(-x.x);
    k -= k * x.y;
    return 4. * ${name}Scale() * k / ((1. + k) * (1. + k));
  }`;
}
