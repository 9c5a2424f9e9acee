/**
 * Entmax's probabilities are p_j = [1 + (alpha − 1) (x_j − c)]_+^(1/(alpha − 1)) for the x_j = z_j − max z of a row. Near alpha
 * = 1 that is exp(x_j − c), and c is the logsumexp; at 2 it is sparsemax, and c its threshold plus 1. The entmax loss
 * relative to max z is c / alpha + (1 − 1 / alpha) Σ_j p_j x_j.
 */

/** p_j and ∂p_j/∂x_j, before they add up to 1. */
function entryOf(alpha: number, x: number): readonly [p: number, slope: number] {
  const excess = (alpha - 1) * x;
  if (excess <= -1) return [0, 0];
  const p = Math.exp(Math.log1p(excess) / (alpha - 1));
  return [p, p / (1 + excess)];
}

/** The c at which the p_j add up to 1: exact for sparsemax, since Newton's steps on a piecewise linear function end. */
export function entmaxThreshold(alpha: number, x: ArrayLike<number>): number {
  // The sum falls and is convex in c, and is at least 1 at 0: the steps come near from below.
  let c = 0;
  for (let step = 0; step < 200; step++) {
    let sum = 0;
    let slopes = 0;
    for (let j = 0; j < x.length; j++) {
      const [p, slope] = entryOf(alpha, x[j] - c);
      sum += p;
      slopes += slope;
    }
    const next = c + (sum - 1) / slopes;
    if (!(next > c)) break;
    c = next;
  }
  return c;
}

export interface Entmax {
  readonly p: Float64Array;
  /** The loss of a label at the highest logit. */
  readonly value: number;
}

export function entmaxOf(alpha: number, logits: Float64Array): Entmax {
  const m = logits.reduce((a, b) => Math.max(a, b));
  const x = logits.map((z) => z - m);
  const c = entmaxThreshold(alpha, x);
  const unscaled = x.map((entry) => entryOf(alpha, entry - c)[0]);
  const total = unscaled.reduce((a, b) => a + b, 0);
  const p = unscaled.map((q) => q / total);
  const mean = p.reduce((sum, q, j) => (q === 0 ? sum : sum + q * x[j]), 0);
  return { p, value: c / alpha + (1 - 1 / alpha) * mean };
}
