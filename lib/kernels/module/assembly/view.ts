/**
 * A view z'_j = bias_j + cap tanh(scale z_j / cap), or bias_j + scale z_j, of a row of logits.
 *
 * Entries are kept relative to an origin near the row's highest, z'_j − o = warp(z_j, ζ) + (bias_j − β), with a reference
 * logit ζ and a reference bias β: so nothing that matters to the row is lost in float32, at whatever height it lies.
 * - without a bias, ζ is the highest logit and β = 0
 * - with a bias only, ζ = 0 and β is the highest entry; this sum is taken in float64
 * - with a bias and a cap, ζ and β are those of the highest entry
 */
import { expOfSum, powerOfTwo, reducedArgument, reducedExpm1, roundedExponent } from "./exp";
import { highestEntry, positionOf } from "./highest";
import { demote, loadTail, madd, promoteHigh, promoteLow, storeTail } from "./lanes";
import { exponential, tanhDifference } from "./scalar";
import { BIAS, CAP, pointer, SCALE } from "./words";

/** |scale z / cap| at and above which tanh is taken as ±1, from which it differs by 1e-17. */
const SATURATION: f64 = 20;

const LOWEST_FINITE: f32 = -3.4028234663852886e38;

/** The reference of the row that is worked on. */
export let referenceLogit: f32 = 0;
export let referenceBias: f32 = 0;

/** The position of the reference; where the view has no bias and cap both, −1. */
export let referencePosition: i32 = -1;

/** Whether the view is more than a multiple of the logits, and so needs a row of its own. */
@inline
export function isWarped(view: usize): bool {
  return load<f32>(view + CAP) > 0 || pointer(view, BIAS) != 0;
}

@inline
function isBiasedAndCapped(view: usize): bool {
  return load<f32>(view + CAP) > 0 && pointer(view, BIAS) != 0;
}

/** Sets the reference of a view that is not warped, or has only a cap or only a bias, from its one number. */
export function referTo(view: usize, highest: f32): void {
  const biased = pointer(view, BIAS) != 0;
  // A cap makes a finite number of −∞ too, the lowest that it lets through.
  const finite: f32 = highest > -Infinity || highest != highest ? highest : biased || load<f32>(view + CAP) == 0 ? 0 : LOWEST_FINITE;
  referenceLogit = biased ? 0 : finite;
  referenceBias = biased ? finite : 0;
  referencePosition = -1;
}

/** Sets the reference of a view with a bias and a cap to the entry at a position, −1 for none. */
function referToPosition(view: usize, logits: usize, position: i32): void {
  referencePosition = position;
  referenceLogit = 0;
  referenceBias = 0;
  if (position < 0) return;
  referenceLogit = load<f32>(logits + (<usize>position << 2));
  referenceBias = load<f32>(pointer(view, BIAS) + (<usize>position << 2));
}

/** The one number that `restoreReference` needs next to the position. */
@inline
export function referenceNumber(view: usize): f32 {
  return pointer(view, BIAS) != 0 ? referenceBias : referenceLogit;
}

/** Sets the reference again from what the forward pass kept. */
export function restoreReference(view: usize, logits: usize, number: f32, position: i32): void {
  if (isBiasedAndCapped(view)) referToPosition(view, logits, position);
  else referTo(view, number);
}

/** Chooses the reference of a row of a warped view among the entries other than the one at `excluded` (−1: all). */
export function chooseReference(view: usize, logits: usize, end: usize, excluded: i32, scratch: usize): void {
  const bias = pointer(view, BIAS);
  let entries = logits;
  if (bias != 0) {
    referenceLogit = 0;
    referenceBias = 0;
    writeEntries(view, logits, end, scratch);
    entries = scratch;
  }
  const entriesEnd = entries + (end - logits);
  const hole = excluded < 0 ? entriesEnd : entries + (<usize>excluded << 2);
  let highest = highestEntry(entries, hole);
  if (excluded >= 0) highest = max(highest, highestEntry(hole + 4, entriesEnd));
  if (!isBiasedAndCapped(view)) {
    referTo(view, highest);
    return;
  }
  let position = -1;
  if (highest > -Infinity) {
    if (excluded >= 0) store<f32>(hole, -Infinity);
    position = positionOf(highest, entries, entriesEnd);
  }
  referToPosition(view, logits, position);
}

/** The entries of the view relative to the reference, z'_j − o. */
export function writeEntries(view: usize, logits: usize, end: usize, entries: usize): void {
  const bias = pointer(view, BIAS);
  if (load<f32>(view + CAP) > 0) {
    if (bias != 0) writeCapped(view, logits, end, bias, entries, true);
    else writeCapped(view, logits, end, bias, entries, false);
  } else writeBiased(view, logits, end, bias, entries);
}

function writeBiased(view: usize, logits: usize, end: usize, bias: usize, entries: usize): void {
  const scale = f64x2.splat(<f64>load<f32>(view + SCALE));
  const offset = f64x2.splat(<f64>referenceBias);
  const zero = f32x4.splat(0);
  const length = end - logits;
  let at: usize = 0;
  for (; length - at >= 16; at += 16) {
    v128.store(entries + at, biased(v128.load(logits + at), v128.load(bias + at), scale, offset));
  }
  if (at < length) {
    const z = loadTail(logits + at, end, zero);
    const b = loadTail(bias + at, bias + length, zero);
    storeTail(entries + at, entries + length, biased(z, b, scale, offset));
  }
}

@inline
function biased(z: v128, bias: v128, scale: v128, offset: v128): v128 {
  const low = f64x2.add(f64x2.mul(promoteLow(z), scale), promoteLow(bias));
  const high = f64x2.add(f64x2.mul(promoteHigh(z), scale), promoteHigh(bias));
  return demote(f64x2.sub(low, offset), f64x2.sub(high, offset));
}

@inline
function writeCapped(view: usize, logits: usize, end: usize, bias: usize, entries: usize, hasBias: bool): void {
  const scale = <f64>load<f32>(view + SCALE);
  const cap = <f64>load<f32>(view + CAP);
  const bound = (SATURATION * cap) / scale;
  const reference = max(-bound, min(bound, <f64>referenceLogit));
  // With a = scale z / cap and b the same of the reference, tanh a − tanh b is 2 (e^2(a−b) − 1) / ((1 + e^2a) (1 + e^−2b))
  // for a ≤ b, and else −2 (e^2(b−a) − 1) / ((1 + e^−2a) (1 + e^2b)): no difference of two tanh is taken, and no exponential
  // of a large number, which would have few digits, is compared with another.
  const top = (2 * scale * reference) / cap;
  const bounds = f32x4.splat(<f32>bound);
  const rate = f32x4.splat(<f32>((2 * scale) / cap));
  const references = f32x4.splat(<f32>reference);
  const below = f32x4.splat(<f32>((2 * cap) / (1 + exponential(-top))));
  const above = f32x4.splat(<f32>((-2 * cap) / (1 + exponential(top))));
  const one = f32x4.splat(1);
  const offset = f64x2.splat(<f64>referenceBias);
  const zero = f32x4.splat(0);
  const length = end - logits;
  for (let at: usize = 0; at < length; at += 16) {
    const whole = length - at >= 16;
    const z = whole ? v128.load(logits + at) : loadTail(logits + at, end, zero);
    const bounded = f32x4.pmax(f32x4.pmin(z, bounds), f32x4.neg(bounds));
    const isAbove = f32x4.gt(bounded, references);
    const excess = exponentialLess1(f32x4.neg(f32x4.abs(f32x4.mul(f32x4.sub(bounded, references), rate))));
    const own = exponentialLess1(f32x4.mul(v128.bitselect(f32x4.neg(bounded), bounded, isAbove), rate));
    const denominator = f32x4.add(own, f32x4.add(one, one));
    let entry = f32x4.div(f32x4.mul(v128.bitselect(above, below, isAbove), excess), denominator);
    if (hasBias) {
      const b = whole ? v128.load(bias + at) : loadTail(bias + at, bias + length, zero);
      const low = f64x2.add(f64x2.sub(promoteLow(b), offset), promoteLow(entry));
      const high = f64x2.add(f64x2.sub(promoteHigh(b), offset), promoteHigh(entry));
      entry = demote(low, high);
    }
    if (whole) v128.store(entries + at, entry);
    else storeTail(entries + at, entries + length, entry);
  }
}

/** e^x − 1, which keeps its digits where x is small. */
@inline
function exponentialLess1(x: v128): v128 {
  const rounded = roundedExponent(x);
  const power = powerOfTwo(rounded);
  return madd(power, reducedExpm1(reducedArgument(x, rounded)), f32x4.sub(power, f32x4.splat(1)));
}

/** z'_j − o for one entry, in float64. */
export function entryAt(view: usize, logits: usize, position: i32): f64 {
  const offset = <usize>position << 2;
  const z = <f64>load<f32>(logits + offset);
  const scale = <f64>load<f32>(view + SCALE);
  const cap = <f64>load<f32>(view + CAP);
  const bias = pointer(view, BIAS);
  const shift = bias == 0 ? 0 : <f64>load<f32>(bias + offset) - <f64>referenceBias;
  const warped =
    cap > 0 ? cap * tanhDifference(saturated((z * scale) / cap), saturated((<f64>referenceLogit * scale) / cap))
    : bias == 0 ? scale * (z - <f64>referenceLogit)
    : 0;
  // With a bias alone the two large parts are added before the origin is taken off.
  if (bias != 0 && !(cap > 0)) return z * scale + <f64>load<f32>(bias + offset) - <f64>referenceBias;
  return warped + shift;
}

/** z'_j itself for one entry. */
export function valueAt(view: usize, logits: usize, position: i32): f64 {
  const offset = <usize>position << 2;
  const scaled = <f64>load<f32>(logits + offset) * <f64>load<f32>(view + SCALE);
  const cap = <f64>load<f32>(view + CAP);
  const bias = pointer(view, BIAS);
  const warped = cap > 0 ? cap * tanhDifference(saturated(scaled / cap), 0) : scaled;
  return bias == 0 ? warped : warped + <f64>load<f32>(bias + offset);
}

/** The origin o itself. */
export function originOf(view: usize): f64 {
  const scale = <f64>load<f32>(view + SCALE);
  const cap = <f64>load<f32>(view + CAP);
  const z = <f64>referenceLogit;
  const warped = cap > 0 ? cap * tanhDifference(saturated((z * scale) / cap), 0) : z * scale;
  return warped + <f64>referenceBias;
}

@inline
function saturated(a: f64): f64 {
  return max<f64>(-SATURATION, min<f64>(SATURATION, a));
}

/**
 * gradient_j = or += slope_j · dz'_j, with the slope scale (1 − tanh²(scale z_j / cap)) = scale · 4 h / (1 + h)² for
 * h = e^(−2 scale |z_j| / cap), which keeps its digits where tanh is near ±1.
 */
export function addThroughCap(
  view: usize,
  logits: usize,
  end: usize,
  cotangents: usize,
  gradient: usize,
  accumulate: bool,
): void {
  const scale = <f64>load<f32>(view + SCALE);
  const rate = (-2 * scale) / <f64>load<f32>(view + CAP);
  // Where tanh is saturated, rounding rate · |z| would cost digits. The first halves of both have so few bits that their
  // product is exact.
  const halfMask = i32x4.splat(0xfffff000);
  const firstRate = reinterpret<f32>(reinterpret<i32>(<f32>rate) & 0xfffff000);
  const firstRates = f32x4.splat(firstRate);
  const restRates = f32x4.splat(<f32>(rate - <f64>firstRate));
  const rates = f32x4.splat(<f32>rate);
  const bound = f32x4.splat(<f32>(-87.9 / rate));
  const factor = f32x4.splat(<f32>(4 * scale));
  const one = f32x4.splat(1);
  const zero = f32x4.splat(0);
  const length = end - logits;
  for (let at: usize = 0; at < length; at += 16) {
    const whole = length - at >= 16;
    const z = whole ? v128.load(logits + at) : loadTail(logits + at, end, zero);
    const g = whole ? v128.load(cotangents + at) : loadTail(cotangents + at, cotangents + length, zero);
    const size = f32x4.pmin(f32x4.abs(z), bound);
    const first = v128.and(size, halfMask);
    const low = madd(first, restRates, f32x4.mul(f32x4.sub(size, first), rates));
    const h = expOfSum(f32x4.mul(first, firstRates), low);
    const sum = f32x4.add(one, h);
    let change = f32x4.div(f32x4.mul(f32x4.mul(factor, h), g), f32x4.mul(sum, sum));
    if (accumulate) {
      const before = whole ? v128.load(gradient + at) : loadTail(gradient + at, gradient + length, zero);
      change = f32x4.add(before, change);
    }
    if (whole) v128.store(gradient + at, change);
    else storeTail(gradient + at, gradient + length, change);
  }
}
