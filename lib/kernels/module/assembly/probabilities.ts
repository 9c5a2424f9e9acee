/** out_j = or += exp(x_j) (constant + rate · x_j) with x_j = scale (v_j − origin): a row of softmax, or of its gradient. */
import { exp } from "./exp";
import { loadTail, madd, storeTail } from "./lanes";

export function writeExponentials(
  values: usize,
  length: usize,
  origin: f32,
  scale: f32,
  constant: f32,
  rate: f32,
  out: usize,
  accumulate: bool,
): void {
  if (rate != 0) {
    if (accumulate) write(values, length, origin, scale, constant, rate, out, true, true, true);
    else write(values, length, origin, scale, constant, rate, out, true, true, false);
  } else if (accumulate) write(values, length, origin, scale, constant, rate, out, true, false, true);
  else if (scale == 1) write(values, length, origin, scale, constant, rate, out, false, false, false);
  else write(values, length, origin, scale, constant, rate, out, true, false, false);
}

@inline
function write(
  values: usize,
  length: usize,
  origin: f32,
  scale: f32,
  constant: f32,
  rate: f32,
  out: usize,
  scaled: bool,
  linear: bool,
  accumulate: bool,
): void {
  const origins = f32x4.splat(origin);
  const scales = f32x4.splat(scale);
  const constants = f32x4.splat(constant);
  const rates = f32x4.splat(rate);
  const zero = f32x4.splat(0);
  let at: usize = 0;
  for (; length - at >= 32; at += 32) {
    const first = termOf(v128.load(values + at), origins, scales, constants, rates, scaled, linear);
    const second = termOf(v128.load(values + at, 16), origins, scales, constants, rates, scaled, linear);
    v128.store(out + at, accumulate ? f32x4.add(v128.load(out + at), first) : first);
    v128.store(out + at, accumulate ? f32x4.add(v128.load(out + at, 16), second) : second, 16);
  }
  if (length - at >= 16) {
    const term = termOf(v128.load(values + at), origins, scales, constants, rates, scaled, linear);
    v128.store(out + at, accumulate ? f32x4.add(v128.load(out + at), term) : term);
    at += 16;
  }
  if (at < length) {
    const entries = loadTail(values + at, values + length, origins);
    const term = termOf(entries, origins, scales, constants, rates, scaled, linear);
    const before = accumulate ? loadTail(out + at, out + length, zero) : zero;
    storeTail(out + at, out + length, accumulate ? f32x4.add(before, term) : term);
  }
}

@inline
function termOf(
  values: v128,
  origins: v128,
  scales: v128,
  constants: v128,
  rates: v128,
  scaled: bool,
  linear: bool,
): v128 {
  const differences = f32x4.sub(values, origins);
  const x = scaled ? f32x4.mul(differences, scales) : differences;
  // Where exp(x) is 0, a bounded x makes the product 0 also at −∞.
  const factor = linear ? madd(f32x4.pmax(x, f32x4.splat(-88)), rates, constants) : constants;
  return f32x4.mul(exp(x), factor);
}
