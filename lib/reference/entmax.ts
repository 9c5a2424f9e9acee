/**
 * The τ at which the [x_j − τ]_+^(1/(alpha − 1)) add up to 1, for the x_j = (alpha − 1) (z_j − max z) of a row: exact for
 * sparsemax, since Newton's steps on a piecewise linear function end, and to rounding for any other alpha.
 */
export function entmaxThreshold(alpha: number, x: ArrayLike<number>): number {
  const power = 1 / (alpha - 1);
  // The sum falls and is convex in τ, and is at least 1 at −1: the steps come near from below.
  let tau = -1;
  for (let step = 0; step < 200; step++) {
    let sum = 0;
    let slope = 0;
    for (let j = 0; j < x.length; j++) {
      if (x[j] <= tau) continue;
      sum += (x[j] - tau) ** power;
      slope += power * (x[j] - tau) ** (power - 1);
    }
    const next = tau + (sum - 1) / slope;
    if (!(next > tau)) break;
    tau = next;
  }
  return tau;
}

/** The probabilities of entmax; those of sparsemax at alpha = 2. */
export function entmaxOf(alpha: number, logits: Float64Array): Float64Array {
  const m = logits.reduce((a, b) => Math.max(a, b));
  const x = logits.map((z) => (alpha - 1) * (z - m));
  const tau = entmaxThreshold(alpha, x);
  const p = x.map((entry) => (entry > tau ? (entry - tau) ** (1 / (alpha - 1)) : 0));
  const total = p.reduce((a, b) => a + b, 0);
  return p.map((q) => q / total);
}
