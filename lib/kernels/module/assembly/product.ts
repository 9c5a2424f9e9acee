/**
 * Products of matrices, added to what is there or written anew. The factors are packed in pieces that stay in the cache,
 * in the order in which they are read: four rows of the left one and eight columns of the right one side by side. So a
 * factor may lie transposed, and no copy of a whole matrix is made.
 */
import { madd } from "./lanes";

/** Terms of a sum that are added up in a register before they are added to the result: short sums of float32 are exact ones. */
const DEPTH: i32 = 512;
/** Floats of the packed left factor, and of the packed right one. */
const LEFT: i32 = 65536;
const RIGHT: i32 = 8192;
/** Columns of a packed piece of the right factor at most: longer runs of the result than these gain nothing. */
const WIDEST: i32 = 256;

/** Bytes of scratch memory that a product needs. */
export function productScratch(): i32 {
  return (LEFT + RIGHT + 4 * 8) << 2;
}

/**
 * out [m, n] = a [m, k] · b [k, n], plus what is in `out` before if `adds`, or else plus `bias` [n] if it is not 0. The
 * strides are in entries; of each factor one is 1.
 */
export function product(
  out: usize,
  a: usize,
  aRow: i32,
  aColumn: i32,
  b: usize,
  bRow: i32,
  bColumn: i32,
  m: i32,
  k: i32,
  n: i32,
  bias: usize,
  adds: i32,
  scratch: usize,
): void {
  const left = scratch;
  const right = left + (<usize>LEFT << 2);
  const edge = right + (<usize>RIGHT << 2);
  for (let p = 0; p < k; p += DEPTH) {
    const depth = min(DEPTH, k - p);
    const rows = (LEFT / depth) & ~3;
    const columns = max(16, min(WIDEST, (RIGHT / depth) & ~15));
    const again = adds != 0 || p > 0;
    for (let i = 0; i < m; i += rows) {
      const height = min(rows, m - i);
      pack(left, 4, a, aRow, aColumn, i, height, p, depth);
      for (let j = 0; j < n; j += columns) {
        const width = min(columns, n - j);
        pack(right, 8, b, bColumn, bRow, j, width, p, depth);
        for (let i4 = 0; i4 < height; i4 += 4) {
          const quad = left + ((<usize>i4 * depth) << 2);
          const row = out + ((<usize>(i + i4) * n + j) << 2);
          for (let j8 = 0; j8 < width; j8 += 8) {
            const at = row + (<usize>j8 << 2);
            const eight = right + ((<usize>j8 * depth) << 2);
            const initial = bias == 0 ? 0 : bias + (<usize>(j + j8) << 2);
            if (i4 + 4 <= height && j8 + 8 <= width) {
              block(at, <usize>n << 2, quad, eight, depth, again, initial);
            } else {
              copyBlock(edge, 32, at, <usize>n << 2, height - i4, width - j8);
              block(edge, 32, quad, eight, depth, again, 0);
              if (!again && initial != 0) addBias(edge, initial, width - j8);
              copyBlock(at, <usize>n << 2, edge, 32, height - i4, width - j8);
            }
          }
        }
      }
    }
  }
  if (k == 0 && adds == 0) clear(out, m, n, bias);
}

/** 4 × 8 entries of the result, `stride` bytes a row. */
@inline
function block(out: usize, stride: usize, a: usize, b: usize, depth: i32, adds: bool, bias: usize): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  const end = a + (<usize>depth << 4);
  while (a < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const a0 = v128.load_splat<u32>(a);
    c00 = madd(a0, b0, c00);
    c01 = madd(a0, b1, c01);
    const a1 = v128.load_splat<u32>(a, 4);
    c10 = madd(a1, b0, c10);
    c11 = madd(a1, b1, c11);
    const a2 = v128.load_splat<u32>(a, 8);
    c20 = madd(a2, b0, c20);
    c21 = madd(a2, b1, c21);
    const a3 = v128.load_splat<u32>(a, 12);
    c30 = madd(a3, b0, c30);
    c31 = madd(a3, b1, c31);
    a += 16;
    b += 32;
  }
  const second = out + stride;
  const third = second + stride;
  const fourth = third + stride;
  if (adds) {
    c00 = f32x4.add(c00, v128.load(out));
    c01 = f32x4.add(c01, v128.load(out, 16));
    c10 = f32x4.add(c10, v128.load(second));
    c11 = f32x4.add(c11, v128.load(second, 16));
    c20 = f32x4.add(c20, v128.load(third));
    c21 = f32x4.add(c21, v128.load(third, 16));
    c30 = f32x4.add(c30, v128.load(fourth));
    c31 = f32x4.add(c31, v128.load(fourth, 16));
  } else if (bias != 0) {
    const b0 = v128.load(bias);
    const b1 = v128.load(bias, 16);
    c00 = f32x4.add(c00, b0);
    c01 = f32x4.add(c01, b1);
    c10 = f32x4.add(c10, b0);
    c11 = f32x4.add(c11, b1);
    c20 = f32x4.add(c20, b0);
    c21 = f32x4.add(c21, b1);
    c30 = f32x4.add(c30, b0);
    c31 = f32x4.add(c31, b1);
  }
  v128.store(out, c00);
  v128.store(out, c01, 16);
  v128.store(second, c10);
  v128.store(second, c11, 16);
  v128.store(third, c20);
  v128.store(third, c21, 16);
  v128.store(fourth, c30);
  v128.store(fourth, c31, 16);
}

/**
 * Packs `count` lines of a factor, from line `first` on and each from entry `from` on: `side` lines side by side, entry by
 * entry, zeros for lines that are not there. A line is a row of the left factor or a column of the right one; `across`
 * is the stride from line to line, `along` that from entry to entry.
 */
function pack(
  to: usize,
  side: i32,
  source: usize,
  across: i32,
  along: i32,
  first: i32,
  count: i32,
  from: i32,
  depth: i32,
): void {
  const step = <usize>side << 2;
  for (let line = 0; line < count; line += side) {
    for (let lane = 0; lane < side; lane += 4) {
      const start = source + ((<usize>(first + line + lane) * across + <usize>from * along) << 2);
      packFour(to + (<usize>lane << 2), step, start, <usize>across << 2, <usize>along << 2, count - line - lane, depth);
    }
    to += step * depth;
  }
}

/** Packs four lines; `lines` of them are there. */
@inline
function packFour(to: usize, step: usize, source: usize, across: usize, along: usize, lines: i32, depth: i32): void {
  if (lines < 4) packFew(to, step, source, across, along, lines, depth);
  else if (across == 4) packRows(to, step, source, along, depth);
  else packColumns(to, step, source, across, depth);
}

/** Where the four lines lie side by side already. */
function packRows(to: usize, step: usize, source: usize, along: usize, depth: i32): void {
  for (let p = 0; p < depth; p++) {
    v128.store(to, v128.load(source));
    to += step;
    source += along;
  }
}

/** Where each line is in one piece: squares of 4 × 4 are turned over. */
function packColumns(to: usize, step: usize, source: usize, across: usize, depth: i32): void {
  const second = source + across;
  const third = second + across;
  const fourth = third + across;
  const whole = (depth & ~3) << 2;
  let offset: usize = 0;
  for (; offset < <usize>whole; offset += 16) {
    const x = v128.load(source + offset);
    const y = v128.load(second + offset);
    const z = v128.load(third + offset);
    const w = v128.load(fourth + offset);
    const xy = v128.shuffle<f32>(x, y, 0, 4, 1, 5);
    const zw = v128.shuffle<f32>(z, w, 0, 4, 1, 5);
    const xyHigh = v128.shuffle<f32>(x, y, 2, 6, 3, 7);
    const zwHigh = v128.shuffle<f32>(z, w, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<u64>(xy, zw, 0, 2));
    v128.store(to + step, v128.shuffle<u64>(xy, zw, 1, 3));
    v128.store(to + 2 * step, v128.shuffle<u64>(xyHigh, zwHigh, 0, 2));
    v128.store(to + 3 * step, v128.shuffle<u64>(xyHigh, zwHigh, 1, 3));
    to += 4 * step;
  }
  for (; offset < (<usize>depth << 2); offset += 4) {
    store<f32>(to, load<f32>(source + offset));
    store<f32>(to, load<f32>(second + offset), 4);
    store<f32>(to, load<f32>(third + offset), 8);
    store<f32>(to, load<f32>(fourth + offset), 12);
    to += step;
  }
}

/** Where less than four lines are left. */
function packFew(to: usize, step: usize, source: usize, across: usize, along: usize, lines: i32, depth: i32): void {
  for (let p = 0; p < depth; p++) {
    for (let line = 0; line < 4; line++) {
      const value: f32 = line < lines ? load<f32>(source + <usize>line * across) : 0;
      store<f32>(to + (<usize>line << 2), value);
    }
    to += step;
    source += along;
  }
}

/** Copies at most 4 rows of at most 8 entries. */
function copyBlock(to: usize, toStride: usize, from: usize, fromStride: usize, rows: i32, columns: i32): void {
  for (let i = 0; i < min(rows, 4); i++) {
    memory.copy(to + <usize>i * toStride, from + <usize>i * fromStride, <usize>min(columns, 8) << 2);
  }
}

/** Adds a bias to a block that is not in its place. */
function addBias(edge: usize, bias: usize, columns: i32): void {
  for (let i = 0; i < 4; i++) {
    for (let j = 0; j < min(columns, 8); j++) {
      const at = edge + (<usize>(8 * i + j) << 2);
      store<f32>(at, load<f32>(at) + load<f32>(bias + (<usize>j << 2)));
    }
  }
}

/** The product of factors without a common length. */
function clear(out: usize, m: i32, n: i32, bias: usize): void {
  for (let i = 0; i < m; i++) {
    const row = out + ((<usize>i * n) << 2);
    if (bias == 0) memory.fill(row, 0, <usize>n << 2);
    else memory.copy(row, bias, <usize>n << 2);
  }
}
