/** The batches that are measured: shapes, and logits and labels for each. */
import { grouped } from "./tables.ts";

/** The shape of logits, [rows, classes]. */
export interface Shape {
  readonly rows: number;
  readonly classes: number;
}

/** A shape as it is shown. */
export function shapeTitle({ rows, classes }: Shape): string {
  return `${grouped(rows)} × ${grouped(classes)}`;
}

/** Logits in row-major order and a label for each row. */
export interface HostBatch {
  readonly shape: Shape;
  readonly logits: Float32Array;
  readonly labels: Int32Array;
}

/** From GPT-2's vocabulary and that of newer language models to classifiers of images. */
export const shapes: readonly Shape[] = [
  { rows: 128, classes: 50_257 },
  { rows: 1024, classes: 8192 },
  { rows: 128, classes: 128_256 },
  { rows: 4096, classes: 1000 },
  { rows: 65_536, classes: 10 },
];

/** The shapes of a quick run: rows of the longest and the shortest kind, half and less of their usual number. */
export const quickShapes: readonly Shape[] = [
  { rows: 64, classes: 50_257 },
  { rows: 8192, classes: 10 },
];

/** The spread of logits in the middle of a training. */
const deviation = 2;

/** Normal logits and labels of every class; the same in each run. */
export function randomBatch(shape: Shape): HostBatch {
  const random = generator(1);
  const logits = new Float32Array(shape.rows * shape.classes);
  for (let i = 0; i < logits.length; i += 2) {
    // Box and Muller's transform makes two normal numbers of two uniform ones.
    const radius = deviation * Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    logits[i] = radius * Math.cos(angle);
    logits[i + 1] = radius * Math.sin(angle);
  }
  const labels = Int32Array.from({ length: shape.rows }, () => Math.floor(shape.classes * random()));
  return { shape, logits, labels };
}

/** Numbers from 0 to below 1, by the generator mulberry32. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
