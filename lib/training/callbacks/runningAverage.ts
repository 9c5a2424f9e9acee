/**
 * An exponential average of the numbers that it is called with: a_t = Σ 0.95^(t − i) x_i / Σ 0.95^(t − i), so that the first
 * values are not pulled towards 0. What is not finite is left out.
 */
export function runningAverage(): (value: number) => number {
  let [sum, weight] = [0, 0];
  return (value) => {
    if (Number.isFinite(value)) [sum, weight] = [0.95 * sum + value, 0.95 * weight + 1];
    return sum / weight;
  };
}
