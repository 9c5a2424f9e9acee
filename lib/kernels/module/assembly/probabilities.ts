/**
 * out_j = or += exp(x_j) (constant + rate · x_j) with x_j = scale (v_j − origin): a row of softmax, or of its gradient; and
 * with factor · u_j for a table u, or u = 1, added to it in the same write.
 */
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
    if (accumulate) write(values, length, origin, scale, constant, rate, out, true, true, true, 0, 0, NONE);
    else write(values, length, origin, scale, constant, rate, out, true, true, false, 0, 0, NONE);
  } else if (accumulate) write(values, length, origin, scale, constant, rate, out, true, false, true, 0, 0, NONE);
  else if (scale == 1) write(values, length, origin, scale, constant, rate, out, false, false, false, 0, 0, NONE);
  else write(values, length, origin, scale, constant, rate, out, true, false, false, 0, 0, NONE);
}

/** The same without accumulation, with factor · u_j added; a table of 0 stands for u = 1. */
export function writeExponentialsAndTable(
  values: usize,
  length: usize,
  origin: f32,
  scale: f32,
  constant: f32,
  rate: f32,
  out: usize,
  factor: f32,
  table: usize,
): void {
  if (table != 0) writeWithTable(values, length, origin, scale, constant, rate, out, factor, table);
  else writeWithOnes(values, length, origin, scale, constant, rate, out, factor);
}

function writeWithTable(
  values: usize,
  length: usize,
  origin: f32,
  scale: f32,
  constant: f32,
  rate: f32,
  out: usize,
  factor: f32,
  table: usize,
): void {
  if (rate != 0) write(values, length, origin, scale, constant, rate, out, true, true, false, factor, table, TABLE);
  else write(values, length, origin, scale, constant, rate, out, true, false, false, factor, table, TABLE);
}

function writeWithOnes(
  values: usize,
  length: usize,
  origin: f32,
  scale: f32,
  constant: f32,
  rate: f32,
  out: usize,
  factor: f32,
): void {
  if (rate != 0) write(values, length, origin, scale, constant, rate, out, true, true, false, factor, 0, ONES);
  else write(values, length, origin, scale, constant, rate, out, true, false, false, factor, 0, ONES);
}

/** What is added in the same write. */
const NONE = 0;
const ONES = 1;
const TABLE = 2;

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
  factor: f32,
  table: usize,
  added: i32,
): void {
  const factors = f32x4.splat(factor);
  const origins = f32x4.splat(origin);
  const scales = f32x4.splat(scale);
  const constants = f32x4.splat(constant);
  const rates = f32x4.splat(rate);
  const zero = f32x4.splat(0);
  let at: usize = 0;
  for (; length - at >= 32; at += 32) {
    let first = termOf(v128.load(values + at), origins, scales, constants, rates, scaled, linear);
    let second = termOf(v128.load(values + at, 16), origins, scales, constants, rates, scaled, linear);
    if (added == ONES) {
      first = f32x4.add(first, factors);
      second = f32x4.add(second, factors);
    } else if (added == TABLE) {
      first = madd(factors, v128.load(table + at), first);
      second = madd(factors, v128.load(table + at, 16), second);
    }
    v128.store(out + at, accumulate ? f32x4.add(v128.load(out + at), first) : first);
    v128.store(out + at, accumulate ? f32x4.add(v128.load(out + at, 16), second) : second, 16);
  }
  if (length - at >= 16) {
    let term = termOf(v128.load(values + at), origins, scales, constants, rates, scaled, linear);
    if (added == ONES) term = f32x4.add(term, factors);
    else if (added == TABLE) term = madd(factors, v128.load(table + at), term);
    v128.store(out + at, accumulate ? f32x4.add(v128.load(out + at), term) : term);
    at += 16;
  }
  if (at < length) {
    const entries = loadTail(values + at, values + length, origins);
    let term = termOf(entries, origins, scales, constants, rates, scaled, linear);
    if (added == ONES) term = f32x4.add(term, factors);
    else if (added == TABLE) term = madd(factors, loadTail(table + at, table + length, zero), term);
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
