import type { LogitsAtom } from "../loss/loss.ts";

/** What a loss may read of one row of logits, in float64, exact for confident rows too. */
export interface Softmax {
  /** −log p_c. */
  readonly nll: Float64Array;
  /** log(p_c / (1 − p_c)). */
  readonly logOdds: Float64Array;
  readonly logsumexp: number;
  /** −Σ_c p_c log p_c. */
  readonly entropy: number;
}

export function softmaxOf(logits: Float64Array): Softmax {
  const top = logits.reduce((best, z, c) => (z > logits[best] ? c : best), 0);
  const relative = logits.map((z) => z - logits[top]);
  if (relative.some(Number.isNaN)) return undefinedSoftmax(logits);
  // Σ_{j≠top} exp(z_j − z_top): what the row holds beside its largest entry.
  const rest = relative.reduce((sum, d, c) => (c === top ? sum : sum + Math.exp(d)), 0);
  const log = Math.log1p(rest);
  const nll = relative.map((d, c) => (c === top ? log : log - d));
  // Against class c stand the top entry, 1, and the rest without c.
  const logOdds = relative.map((d, c) =>
    c === top ? -Math.log(rest) : d - Math.log1p(Math.max(0, rest - Math.exp(d))),
  );
  const entropy = nll.reduce((sum, x) => (x === Number.POSITIVE_INFINITY ? sum : sum + Math.exp(-x) * x), 0);
  return { nll, logOdds, logsumexp: logits[top] + log, entropy };
}

/** A row with a logit of +∞ or NaN, or with no logit above −∞, has no softmax. */
function undefinedSoftmax(logits: Float64Array): Softmax {
  const nothing = logits.map(() => Number.NaN);
  return { nll: nothing, logOdds: nothing, logsumexp: Number.NaN, entropy: Number.NaN };
}

/** Adds ∂(Σ_c g_c a_c) / ∂z to `into`, for an atom a with value a_c at class c. */
export function addAtomGradient(kind: LogitsAtom["kind"], g: Float64Array, softmax: Softmax, into: Float64Array): void {
  const { nll, logOdds, entropy } = softmax;
  const sum = g.reduce((total, x) => total + x, 0);
  // Without the likeliest class, so that what reaches the others keeps its digits beside what reaches that one.
  const top = nll.reduce((best, x, c) => (x < nll[best] ? c : best), 0);
  const ofOthers = g.reduce((total, x, c) => (c === top ? total : total + x), 0);
  nll.forEach((x, j) => {
    const p = Math.exp(-x);
    switch (kind) {
      case "nll":
        into[j] += p * (j === top ? ofOthers : sum - g[j]) + Math.expm1(-x) * g[j];
        return;
      case "logOdds":
        g.forEach((gc, c) => {
          // 1 − p_c is 1 / (1 + exp(logOdds_c)).
          if (gc !== 0) into[j] += gc * (c === j ? 1 : -p * (1 + Math.exp(logOdds[c])));
        });
        return;
      case "logsumexp":
        into[j] += sum * p;
        return;
      case "entropy":
        into[j] += p === 0 ? 0 : sum * p * (x - entropy);
    }
  });
}
