/**
 * An exponential average of the numbers that it is called with: a_t = Σ m^(t − i) x_i / Σ m^(t − i) with the memory m, so
 * that the first values are not pulled towards 0.
 */
export function runningAverage(memory = 0.95): (value: number) => number {
  let sum = 0;
  let weight = 0;
  return (value) => {
    sum = memory * sum + value;
    weight = memory * weight + 1;
    return sum / weight;
  };
}
