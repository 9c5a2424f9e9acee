/**
 * The entries of a view in WGSL, z'_j − o = scale (z_j − ζ) + (bias_j − β), or with a cap the difference of the two capped
 * logits, relative to an origin o with logit ζ and bias β that is one of the row's entries: so nothing that matters to the
 * row is lost in float32, at whatever height it lies.
 */
import type { Place, RowsPlan, ViewPlan } from "./plan.ts";

/** An entry of −∞, of which the arithmetic of two float32 would make NaN. */
export const lostEntries = /* wgsl */ `
fn unlessLost(x : vec2<f32>, part : f32) -> f32 {
  return select(x.x + x.y, part, part < -1e38);
}
`;

/** Entries without likelihood: below every finite logit but float32's last. */
export const lowest = "-3.3e38";

/**
 * With a = scale z / cap and b the same of the origin, tanh a − tanh b = sinh(a − b) / (cosh a cosh b), which is
 * 2 (e^2(a−b) − 1) / ((1 + e^2a) (1 + e^−2b)) for a ≤ b, and else −2 (e^2(b−a) − 1) / ((1 + e^−2a) (1 + e^2b)): no
 * difference of two tanh is taken, and no exponential is large where the difference is. |a| ≥ 12 counts as 12, at which
 * tanh differs from ±1 by 8e-11. The names that end in 2 are of numbers that are sums of two float32.
 *
 * The slope is scale (1 − tanh² a) = scale · 4 h / (1 + h)² for h = e^−2|a|, which keeps its digits where tanh is near
 * ±1. There rounding 2 |a| would cost digits, so it is a sum of two float32.
 */
export const cappedEntries = /* wgsl */ `
struct Capped {
  bound : f32,
  origin : f32,
  rate : f32,
  below : f32,
  above : f32,
};

fn cappedFrom(origin : f32, scale : f32, cap : f32) -> Capped {
  let bound = 12.0 * cap / scale;
  let bounded = clamp(origin, -bound, bound);
  let rate = 2.0 * scale / cap;
  let x = bounded * rate;
  return Capped(bound, bounded, rate, 2.0 * cap / (1.0 + exponential(-x)), -2.0 * cap / (1.0 + exponential(x)));
}

fn cappedDifference(view : Capped, z : f32) -> f32 {
  let bounded = clamp(z, -view.bound, view.bound);
  let isAbove = bounded > view.origin;
  let x = -abs(bounded - view.origin) * view.rate;
  let k = round(x * 1.4426950408889634);
  let power = powerOfTwo(k);
  let r = reduced(x, k);
  var p = fma(r, 0.00138825227492341, 0.0083665139422658);
  p = fma(p, r, 0.041667199646359385);
  p = fma(p, r, 0.1666654367013943);
  p = fma(p, r, 0.4999999815515332);
  p = fma(p * r, r, r);
  let excess = fma(power, p, kept(power - 1.0));
  let own = exponential(select(bounded, -bounded, isAbove) * view.rate);
  return select(view.below, view.above, isAbove) * excess / (1.0 + own);
}

struct Capped2 {
  bound : f32,
  origin : f32,
  rate : vec2<f32>,
  factor : vec2<f32>,
};

fn cappedFrom2(origin : f32, scale : f32, cap : f32) -> Capped2 {
  let bound = 12.0 * cap / scale;
  let bounded = clamp(origin, -bound, bound);
  let rate = divide2(vec2<f32>(2.0 * scale, 0.0), vec2<f32>(cap, 0.0));
  let divisor = add2(vec2<f32>(1.0, 0.0), exponential2(-multiply2(rate, vec2<f32>(bounded, 0.0))));
  return Capped2(bound, bounded, rate, divide2(vec2<f32>(2.0 * cap, 0.0), divisor));
}

fn cappedDifference2(view : Capped2, z : f32) -> vec2<f32> {
  let bounded = clamp(z, -view.bound, view.bound);
  let one = vec2<f32>(1.0, 0.0);
  let excess = add2(exponential2(multiply2(view.rate, sumOf(bounded, -view.origin))), -one);
  let divisor = add2(one, exponential2(multiply2(view.rate, vec2<f32>(bounded, 0.0))));
  return divide2(multiply2(view.factor, excess), divisor);
}

fn cappedSlope(z : f32, rate : vec2<f32>, scale : f32) -> f32 {
  let bounded = min(abs(z), 87.9 / rate.x);
  let first = bitcast<f32>(bitcast<u32>(bounded) & 0xfffff000u);
  let rate1 = bitcast<f32>(bitcast<u32>(rate.x) & 0xfffff000u);
  let high = -(first * rate1);
  let low = -(first * ((rate.x - rate1) + rate.y) + (bounded - first) * rate.x);
  let k = round(high * 1.4426950408889634);
  let h = exponentialOfReduced(reduced(high, k) + low) * powerOfTwo(k);
  return 4.0 * scale * h / ((1.0 + h) * (1.0 + h));
}
`;

/** The logit of a view's source at index `j` of a row, once it is read. */
export function logitOf(view: ViewPlan): string {
  return view.of === "logits" ? "z" : "teacherZ";
}

export function at({ buffer, offset }: Place, j: string): string {
  return offset === "0" ? `${buffer}[${j}]` : `${buffer}[${offset} + ${j}]`;
}

/** Reads the logits at `j` that the views show. */
export function readLogits({ views }: RowsPlan): string {
  return (["logits", "teacher"] as const)
    .filter((source) => views.some((view) => view?.of === source))
    .map((source) => `let ${source === "logits" ? "z" : "teacherZ"} = ${source}[start + j];`)
    .join("\n");
}

/** Declares the scale of a view. */
export function declareScale(view: ViewPlan, v: number): string {
  return view.scale === null ? "" : `let scaleOf${v} = ${view.scale};`;
}

/** Whether the entries are sums of large parts, which are added as sums of two float32. */
function isSumOfTwo(view: ViewPlan): boolean {
  return view.bias !== null;
}

/** Declares what `entry` needs beside the scale, once `origin` and `originBias` are known. */
export function declareEntry(view: ViewPlan, v: number): string {
  if (view.cap !== null) {
    const kind = isSumOfTwo(view) ? "2" : "";
    return `let capped${kind}Of${v} = cappedFrom${kind}(origin${v}, ${scaleOf(view, v)}, ${view.cap});`;
  }
  if (view.bias === null) return "";
  return `let originHeight${v} = add2(${scaled2(view, v, `origin${v}`)}, vec2<f32>(originBias${v}, 0.0));`;
}

/** Declares what `entry2` needs beside that. */
export function declareEntry2(view: ViewPlan, v: number): string {
  if (view.cap === null || isSumOfTwo(view)) return "";
  return `let capped2Of${v} = cappedFrom2(origin${v}, ${scaleOf(view, v)}, ${view.cap});`;
}

export function scaleOf(view: ViewPlan, v: number): string {
  return view.scale === null ? "1.0" : `scaleOf${v}`;
}

function scaled2(view: ViewPlan, v: number, z: string): string {
  return view.scale === null ? `vec2<f32>(${z}, 0.0)` : `productOf(scaleOf${v}, ${z})`;
}

/** z'_j − o, given z_j and j. */
export function entry(view: ViewPlan, v: number, z: string, j: string): string {
  if (view.bias !== null) {
    const bias = at(view.bias, j);
    return `unlessLost(${entry2(view, v, z, j)}, ${view.cap === null ? `min(${z}, ${bias})` : bias})`;
  }
  if (view.cap !== null) return `cappedDifference(cappedOf${v}, ${z})`;
  return view.scale === null ? `(${z} - origin${v})` : `(${z} - origin${v}) * scaleOf${v}`;
}

/** The same as a sum of two float32, where neither z_j nor bias_j is −∞. */
export function entry2(view: ViewPlan, v: number, z: string, j: string): string {
  const { cap, bias } = view;
  if (cap !== null) {
    const difference = `cappedDifference2(capped2Of${v}, ${z})`;
    return bias === null ? difference : `add2(${difference}, sumOf(${at(bias, j)}, -originBias${v}))`;
  }
  if (bias !== null) {
    return `add2(add2(${scaled2(view, v, z)}, vec2<f32>(${at(bias, j)}, 0.0)), -originHeight${v})`;
  }
  return view.scale === null
    ? `sumOf(${z}, -origin${v})`
    : `multiply2(sumOf(${z}, -origin${v}), vec2<f32>(${scaleOf(view, v)}, 0.0))`;
}
