/** Numbers about sampled text and about weights. */

/**
 * Distinct-n: the number of different n-grams divided by the number of n-grams, over all texts together; NaN where
 * there is no n-gram. Source: Li et al., arXiv 1510.03055.
 */
export function distinct(texts: readonly ArrayLike<number>[], n: number): number {
  const grams = texts.flatMap((text) => ngrams(text, n));
  return new Set(grams).size / grams.length;
}

/**
 * Seq-rep-n: 1 − (different n-grams / n-grams) of each text, averaged over the texts that have an n-gram; NaN where
 * none has. Source: Welleck et al., arXiv 1908.04319.
 */
export function repetition(texts: readonly ArrayLike<number>[], n: number): number {
  const shares = texts
    .map((text) => ngrams(text, n))
    .filter((grams) => grams.length > 0)
    .map((grams) => 1 - new Set(grams).size / grams.length);
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

function ngrams(text: ArrayLike<number>, n: number): string[] {
  return Array.from({ length: Math.max(0, text.length - n + 1) }, (_, start) =>
    Array.from({ length: n }, (_, i) => text[start + i]).join(" "),
  );
}

/**
 * Effective sample size as a share of the tokens, 0 to 1: (Σ w)² / (n Σ w²). Equal weights give 1; where one token
 * holds all the weight it is 1 / n.
 *
 * @param weights the weight of each class.
 * @param counts how many of the n tokens are of each class.
 */
export function effectiveSampleSize(weights: ArrayLike<number>, counts: ArrayLike<number>): number {
  let tokens = 0;
  let sum = 0;
  let squares = 0;
  for (let index = 0; index < counts.length; index++) {
    tokens += counts[index];
    sum += counts[index] * weights[index];
    squares += counts[index] * weights[index] ** 2;
  }
  return sum ** 2 / (tokens * squares);
}
