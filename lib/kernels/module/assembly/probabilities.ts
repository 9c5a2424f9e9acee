/**
 * out_j = or += exp(x_j) (constant + rate · x_j) with x_j = scale (v_j − origin): a row of softmax, or of its gradient; and
 * with factor · u_j for a table u, or u = 1, added to it in the same write.
 */
import { exp2, exponentOf, FIRST, FOURTH, LN2, LOG2E, LOWEST, ONE, ROUNDING, SECOND, THIRD } from "./exp";
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
    if (accumulate) addLinear(values, length, origin, scale, constant, rate, out);
    else writeLinear(values, length, origin, scale, constant, rate, out);
  } else if (accumulate) addPlain(values, length, origin, scale, constant, rate, out);
  else writePlain(values, length, origin, scale, constant, rate, out);
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
  if (table == 0) {
    if (rate != 0) writeLinearWithOnes(values, length, origin, scale, constant, rate, out, factor);
    else writeWithOnes(values, length, origin, scale, constant, rate, out, factor);
  } else if (rate != 0) writeLinearWithTable(values, length, origin, scale, constant, rate, out, factor, table);
  else writeWithTable(values, length, origin, scale, constant, rate, out, factor, table);
}

/** What is added in the same write. */
const NONE = 0;
const ONES = 1;
const TABLE = 2;

// Functions of their own: compilers give a small one more registers.

function writePlain(
  values: usize,
  length: usize,
  origin: f32,
  scale: f32,
  constant: f32,
  rate: f32,
  out: usize,
): void {
  write(values, length, origin, scale, constant, rate, out, false, false, 0, 0, NONE);
}

function writeLinear(
  values: usize,
  length: usize,
  origin: f32,
  scale: f32,
  constant: f32,
  rate: f32,
  out: usize,
): void {
  write(values, length, origin, scale, constant, rate, out, true, false, 0, 0, NONE);
}

function addPlain(
  values: usize,
  length: usize,
  origin: f32,
  scale: f32,
  constant: f32,
  rate: f32,
  out: usize,
): void {
  write(values, length, origin, scale, constant, rate, out, false, true, 0, 0, NONE);
}

function addLinear(
  values: usize,
  length: usize,
  origin: f32,
  scale: f32,
  constant: f32,
  rate: f32,
  out: usize,
): void {
  write(values, length, origin, scale, constant, rate, out, true, true, 0, 0, NONE);
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
  write(values, length, origin, scale, constant, rate, out, false, false, factor, 0, ONES);
}

function writeLinearWithOnes(
  values: usize,
  length: usize,
  origin: f32,
  scale: f32,
  constant: f32,
  rate: f32,
  out: usize,
  factor: f32,
): void {
  write(values, length, origin, scale, constant, rate, out, true, false, factor, 0, ONES);
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
  write(values, length, origin, scale, constant, rate, out, false, false, factor, table, TABLE);
}

function writeLinearWithTable(
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
  write(values, length, origin, scale, constant, rate, out, true, false, factor, table, TABLE);
}

@inline
function write(
  values: usize,
  length: usize,
  origin: f32,
  scale: f32,
  constant: f32,
  linear: f32,
  out: usize,
  isLinear: bool,
  accumulate: bool,
  factor: f32,
  table: usize,
  added: i32,
): void {
  const origins = f32x4.splat(origin);
  const rates = f32x4.splat(<f32>(<f64>scale * LOG2E));
  const constants = f32x4.splat(constant);
  // x_j is in units of log, t_j in those of log₂.
  const linears = f32x4.splat(<f32>(<f64>linear * LN2));
  const factors = f32x4.splat(factor);
  const lowest = f32x4.splat(LOWEST);
  const rounding = f32x4.splat(ROUNDING);
  const one = f32x4.splat(ONE);
  const first = f32x4.splat(FIRST);
  const second = f32x4.splat(SECOND);
  const third = f32x4.splat(THIRD);
  const fourth = f32x4.splat(FOURTH);
  const end = length & ~15;
  let at: usize = 0;
  if (at < end) {
    do {
      const t = exponentOf(f32x4.sub(v128.load(values + at), origins), rates, lowest);
      const e = exp2(t, rounding, one, first, second, third, fourth);
      // Where e is 0, a bounded t makes the product 0 also at −∞.
      let term = f32x4.mul(e, isLinear ? madd(t, linears, constants) : constants);
      if (added == ONES) term = f32x4.add(term, factors);
      else if (added == TABLE) term = madd(factors, v128.load(table + at), term);
      v128.store(out + at, accumulate ? f32x4.add(v128.load(out + at), term) : term);
      at += 16;
    } while (at < end);
  }
  if (at < length) {
    const t = exponentOf(f32x4.sub(loadTail(values + at, values + length, origins), origins), rates, lowest);
    const e = exp2(t, rounding, one, first, second, third, fourth);
    let term = f32x4.mul(e, isLinear ? madd(t, linears, constants) : constants);
    const zero = f32x4.splat(0);
    if (added == ONES) term = f32x4.add(term, factors);
    else if (added == TABLE) term = madd(factors, loadTail(table + at, table + length, zero), term);
    const before = accumulate ? loadTail(out + at, out + length, zero) : zero;
    storeTail(out + at, out + length, accumulate ? f32x4.add(before, term) : term);
  }
}
