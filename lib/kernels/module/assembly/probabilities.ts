/**
 * out_j = or += exp(x_j) (constant + rate · x_j) with x_j = scale (v_j − origin): a row of softmax, or of its gradient; and
 * with factor · u_j for a table u, or u = 1, added to it in the same write.
 */
import { exp2, exponentOf, FIRST, FOURTH, LN2, LOG2E, LOWEST, ONE, ROUNDING, SECOND, THIRD } from "./exp";
import { loadTail, madd, storeTail } from "./lanes";

/** The row that is written: the numbers of the formula, and where it and the table are. */
let values: usize = 0;
let length: usize = 0;
let origin: f32 = 0;
let scale: f32 = 1;
let constant: f32 = 0;
let rate: f32 = 0;
let out: usize = 0;
let factor: f32 = 0;
let table: usize = 0;

function setRow(
  rowValues: usize,
  rowLength: usize,
  rowOrigin: f32,
  rowScale: f32,
  rowConstant: f32,
  rowRate: f32,
  rowOut: usize,
): void {
  values = rowValues;
  length = rowLength;
  origin = rowOrigin;
  scale = rowScale;
  constant = rowConstant;
  rate = rowRate;
  out = rowOut;
}

export function writeExponentials(
  rowValues: usize,
  rowLength: usize,
  rowOrigin: f32,
  rowScale: f32,
  rowConstant: f32,
  rowRate: f32,
  rowOut: usize,
  accumulate: bool,
): void {
  setRow(rowValues, rowLength, rowOrigin, rowScale, rowConstant, rowRate, rowOut);
  if (rowRate != 0) {
    if (accumulate) addLinear();
    else writeLinear();
  } else if (accumulate) addPlain();
  else writePlain();
}

/** The same without accumulation, with factor · u_j added; a table of 0 stands for u = 1. */
export function writeExponentialsAndTable(
  rowValues: usize,
  rowLength: usize,
  rowOrigin: f32,
  rowScale: f32,
  rowConstant: f32,
  rowRate: f32,
  rowOut: usize,
  rowFactor: f32,
  rowTable: usize,
): void {
  setRow(rowValues, rowLength, rowOrigin, rowScale, rowConstant, rowRate, rowOut);
  factor = rowFactor;
  table = rowTable;
  if (rowTable == 0) {
    if (rowRate != 0) writeLinearWithOnes();
    else writeWithOnes();
  } else if (rowRate != 0) writeLinearWithTable();
  else writeWithTable();
}

/** What is added in the same write. */
const NONE = 0;
const ONES = 1;
const TABLE = 2;

// Functions of their own: compilers give a small one more registers.

function writePlain(): void {
  write(false, false, NONE);
}

function writeLinear(): void {
  write(true, false, NONE);
}

function addPlain(): void {
  write(false, true, NONE);
}

function addLinear(): void {
  write(true, true, NONE);
}

function writeWithOnes(): void {
  write(false, false, ONES);
}

function writeLinearWithOnes(): void {
  write(true, false, ONES);
}

function writeWithTable(): void {
  write(false, false, TABLE);
}

function writeLinearWithTable(): void {
  write(true, false, TABLE);
}

@inline
function write(isLinear: bool, accumulate: bool, added: i32): void {
  const start = values;
  const target = out;
  const weights = table;
  const origins = f32x4.splat(origin);
  const rates = f32x4.splat(<f32>(<f64>scale * LOG2E));
  const constants = f32x4.splat(constant);
  // x_j is in units of log, t_j in those of log₂.
  const linears = f32x4.splat(<f32>(<f64>rate * LN2));
  const factors = f32x4.splat(factor);
  const lowest = f32x4.splat(LOWEST);
  const rounding = f32x4.splat(ROUNDING);
  const one = f32x4.splat(ONE);
  const first = f32x4.splat(FIRST);
  const second = f32x4.splat(SECOND);
  const third = f32x4.splat(THIRD);
  const fourth = f32x4.splat(FOURTH);
  const whole = length & ~15;
  let at: usize = 0;
  // V8 makes vectors of numbers before a loop of this form, and not before one whose condition comes first.
  if (at < whole) {
    do {
      const t = exponentOf(f32x4.sub(v128.load(start + at), origins), rates, lowest);
      const e = exp2(t, rounding, one, first, second, third, fourth);
      // Where e is 0, a bounded t makes the product 0 also at −∞.
      let term = f32x4.mul(e, isLinear ? madd(t, linears, constants) : constants);
      if (added == ONES) term = f32x4.add(term, factors);
      else if (added == TABLE) term = madd(factors, v128.load(weights + at), term);
      v128.store(target + at, accumulate ? f32x4.add(v128.load(target + at), term) : term);
      at += 16;
    } while (at < whole);
  }
  if (at < length) {
    const end = length;
    const zero = f32x4.splat(0);
    const t = exponentOf(f32x4.sub(loadTail(start + at, start + end, origins), origins), rates, lowest);
    const e = exp2(t, rounding, one, first, second, third, fourth);
    let term = f32x4.mul(e, isLinear ? madd(t, linears, constants) : constants);
    if (added == ONES) term = f32x4.add(term, factors);
    else if (added == TABLE) term = madd(factors, loadTail(weights + at, weights + end, zero), term);
    if (accumulate) term = f32x4.add(loadTail(target + at, target + end, zero), term);
    storeTail(target + at, target + end, term);
  }
}
