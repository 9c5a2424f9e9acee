/** Weighted sums over a row, with weights w_j = q_j u_j; a pointer of 0 stands for weights of 1. */
import { loadTail, madd, promoteHigh, promoteLow, storeTail, sumOfLanes, sumOfPair } from "./lanes";

/** Bytes after which lanes are folded into float64. */
const BLOCK: usize = 512;

/** Σ_j w_j of the last row whose weights are q_j or q_j u_j. */
export let sumOfWeights: f64 = 0;

/** Σ_j w_j (v_j − reference); an entry with w_j = 0 adds 0 also at v_j = −∞. */
export function dot(values: usize, length: usize, reference: f32, q: usize, u: usize): f64 {
  if (q != 0) {
    return u != 0 ? dotOf(values, length, reference, q, u, true, true) : dotOf(values, length, reference, q, u, true, false);
  }
  return u != 0 ? dotOf(values, length, reference, q, u, false, true) : dotOf(values, length, reference, q, u, false, false);
}

@inline
function dotOf(values: usize, length: usize, reference: f32, q: usize, u: usize, hasQ: bool, hasU: bool): f64 {
  const zero = f32x4.splat(0);
  const references = f32x4.splat(reference);
  let total: f64 = 0;
  let totalOfWeights: f64 = 0;
  for (let at: usize = 0; at < length; ) {
    const blockEnd = min(at + BLOCK, length);
    let lanes = zero;
    let weights = zero;
    for (; at < blockEnd; at += 16) {
      const whole = length - at >= 16;
      const v = whole ? v128.load(values + at) : loadTail(values + at, values + length, references);
      let term = f32x4.sub(v, references);
      if (hasQ || hasU) {
        const w = whole
          ? weightsAt(q + at, u + at, hasQ, hasU)
          : weightsAtEnd(q + at, q + length, u + at, u + length, hasQ, hasU);
        term = v128.andnot(f32x4.mul(term, w), f32x4.eq(w, zero));
        if (hasQ) weights = f32x4.add(weights, w);
      }
      lanes = f32x4.add(lanes, term);
    }
    total += sumOfLanes(lanes);
    if (hasQ) totalOfWeights += sumOfLanes(weights);
  }
  if (hasQ) sumOfWeights = totalOfWeights;
  return total;
}

/** Σ_j w_j, in float64: what is left of it without one of its weights may be far smaller. */
export function totalWeight(length: usize, q: usize, u: usize): f64 {
  const zero = f32x4.splat(0);
  let total = f64x2.splat(0);
  for (let at: usize = 0; at < length; at += 16) {
    const whole = length - at >= 16;
    let w = whole ? v128.load(q + at) : loadTail(q + at, q + length, zero);
    if (u != 0) w = f32x4.mul(w, whole ? v128.load(u + at) : loadTail(u + at, u + length, zero));
    total = f64x2.add(total, f64x2.add(promoteLow(w), promoteHigh(w)));
  }
  return sumOfPair(total);
}

/** row_j += factor · w_j. */
export function addWeights(row: usize, length: usize, factor: f32, q: usize, u: usize): void {
  if (q != 0) {
    if (u != 0) addWeightsOf(row, length, factor, q, u, true, true);
    else addWeightsOf(row, length, factor, q, u, true, false);
  } else if (u != 0) addWeightsOf(row, length, factor, q, u, false, true);
  else addWeightsOf(row, length, factor, q, u, false, false);
}

@inline
function addWeightsOf(row: usize, length: usize, factor: f32, q: usize, u: usize, hasQ: bool, hasU: bool): void {
  const zero = f32x4.splat(0);
  const factors = f32x4.splat(factor);
  for (let at: usize = 0; at < length; at += 16) {
    if (length - at >= 16) {
      const before = v128.load(row + at);
      v128.store(
        row + at,
        hasQ || hasU ? madd(factors, weightsAt(q + at, u + at, hasQ, hasU), before) : f32x4.add(before, factors),
      );
    } else {
      const before = loadTail(row + at, row + length, zero);
      const w = weightsAtEnd(q + at, q + length, u + at, u + length, hasQ, hasU);
      storeTail(row + at, row + length, hasQ || hasU ? madd(factors, w, before) : f32x4.add(before, factors));
    }
  }
}

@inline
function weightsAt(q: usize, u: usize, hasQ: bool, hasU: bool): v128 {
  if (hasQ && hasU) return f32x4.mul(v128.load(q), v128.load(u));
  return hasQ ? v128.load(q) : v128.load(u);
}

@inline
function weightsAtEnd(q: usize, qEnd: usize, u: usize, uEnd: usize, hasQ: bool, hasU: bool): v128 {
  const zero = f32x4.splat(0);
  if (hasQ && hasU) return f32x4.mul(loadTail(q, qEnd, zero), loadTail(u, uEnd, zero));
  if (hasQ) return loadTail(q, qEnd, zero);
  return hasU ? loadTail(u, uEnd, zero) : zero;
}
