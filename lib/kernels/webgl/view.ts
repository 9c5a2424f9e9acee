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
 */
import type * as tf from "@tensorflow/tfjs";
import type { WideView } from "../views.ts";
import { type Inputs, samplerOf } from "./program.ts";

/** |scale z / cap| at and above which tanh is taken as ±1, from which it differs by 8e-11. */
const saturation = 12;

export function hasAnchor({ bias }: WideView): boolean {
  return typeof bias !== "number";
}

/**
 * Declares, for a view called V:
 * - VLevel(row, column, anchor), the levels of two rows and two columns
 * - VRelative(levels, references), z'_j − z'_h
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

  const z = `withoutInfinities(${samplerOf(of)}(row, column))`;
  const difference = cap === null ? `${name}Scale() * (z - h)` : `${name}Capped(z, h)`;
  const isLow = cap === null ? "lessThanEqual(z, vec4(LOWEST))" : "bvec4(false)";
  const level =
    typeof bias === "number"
      ? "return z;"
      : `
    vec4 bias = withoutInfinities(${samplerOf(`${name}Bias`)}(column).xyxy);
    vec4 level = max(bias + ${name}Difference(z, anchor), vec4(LOWEST));
    level = mix(level, vec4(LOWEST), ${isLow});
    level = mix(level, vec4(LOWEST), lessThanEqual(bias, vec4(LOWEST)));
    level = mix(level, vec4(UNDEFINED), greaterThan(z, vec4(UPPER)));
    return mix(level, vec4(UNDEFINED), greaterThan(bias, vec4(UPPER)));`;
  // A cap would make something of what is not there.
  const relative =
    typeof bias !== "number"
      ? "return z - h;"
      : `return mix(${name}Difference(z, h), vec4(LOWEST), lessThanEqual(z, vec4(LOWEST)));`;
  const origin = typeof bias === "number" ? `${name}At(h) + ${name}BiasNumber` : `${name}At(anchor) + h`;
  return `
  float ${name}Scale() {
    return ${typeof scale === "number" ? `${name}ScaleNumber` : `${samplerOf(`${name}ScaleInput`)}().x`};
  }
  ${cap === null ? "" : capSource(name)}
  vec4 ${name}Difference(vec4 z, vec4 h) {
    return ${difference};
  }
  vec4 ${name}Level(int row, int column, vec4 anchor) {
    vec4 z = ${cap === null ? z : `${name}Bounded(${z})`};
    ${level}
  }
  vec4 ${name}Relative(vec4 z, vec4 h) {
    ${relative}
  }
  vec4 ${name}Slope(int row, int column) {
    ${cap === null ? `return vec4(${name}Scale());` : `return ${name}CapSlope(${z});`}
  }
  vec4 ${name}Anchor(int row) {
    return ${anchor === null ? "vec4(0.)" : `${samplerOf(`${name}AnchorInput`)}(row, 0).xxzz`};
  }
  vec4 ${name}At(vec4 z) {
    return ${cap === null ? `${name}Scale() * z` : `${name}Capped(z, vec4(0.))`};
  }
  vec4 ${name}Origin(vec4 h, vec4 anchor) {
    return ${origin};
  }`;
}

/** The difference of two tanh is not taken: it would cancel. */
function capSource(name: string): string {
  return `
  vec4 ${name}Bounded(vec4 z) {
    float bound = ${saturation}. * ${name}Cap / ${name}Scale();
    return mix(clamp(z, -bound, bound), vec4(UNDEFINED), greaterThan(z, vec4(2.5e38)));
  }
  /**
   * With a = scale z / cap, b the same of h, E = e^2(a−b) and k = e^−2|b|:
   * tanh a − tanh b = 2k / (1 + k) · (E − 1) / (k + E) for b ≥ 0, and with 1 + k E below for b < 0.
   */
  vec4 ${name}Capped(vec4 z, vec4 h) {
    float rate = 2. * ${name}Scale() / ${name}Cap;
    h = clamp(h, -${2 * saturation}. / rate, ${2 * saturation}. / rate);
    z = clamp(z, -${2 * saturation}. / rate, ${2 * saturation}. / rate);
    vec4 k = preciseExp(-rate * abs(h));
    vec4 E = preciseExp(rate * (z - h));
    vec4 excess = preciseExpm1(rate * (z - h));
    vec4 below = mix(1. + k * E, k + E, greaterThanEqual(h, vec4(0.)));
    return ${name}Cap * 2. * k / (1. + k) * excess / below;
  }
  /** scale (1 − tanh² a) = scale · 4 k / (1 + k)² with k = e^−2|a|, which keeps its digits where tanh is near ±1. */
  vec4 ${name}CapSlope(vec4 z) {
    vec4 k = preciseExp(-2. * ${name}Scale() / ${name}Cap * abs(z));
    return 4. * ${name}Scale() * k / ((1. + k) * (1. + k));
  }`;
}
