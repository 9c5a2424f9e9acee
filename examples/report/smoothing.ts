/**
 * An exponential average of the numbers that it is called with: a_t = Σ 0.95^(t − i) x_i / Σ 0.95^(t − i), so that the
 * first values are not pulled towards 0.
 */
export function runningAverage(): (value: number) => number {
  let sum = 0;
  let weight = 0;
  return (value) => {
    sum = 0.95 * sum + value;
    weight = 0.95 * weight + 1;
    return sum / weight;
  };
}
