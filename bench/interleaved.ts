/** Timing of several contenders in turn, so that what else the machine does falls on all of them. */

/** Something that is timed: each call answers with its milliseconds. */
export interface Contender<Name extends string = string> {
  readonly name: Name;
  readonly call: () => Promise<number>;
}

/** How many rounds are run: `most`, fewer after `budgetMilliseconds`, but no fewer than `fewest`. */
export interface Rounds {
  readonly fewest: number;
  readonly most: number;
  readonly budgetMilliseconds: number;
}

/** The times of a contender's calls. */
export interface Timing {
  /**
   * The median of its time over the first contender's in the same round. Where the machine is slower for a while, both
   * are; a quotient of the medians may be of a slow while and a fast one.
   */
  readonly medianRatioToFirst: number;
  readonly medianMilliseconds: number;
  readonly leastMilliseconds: number;
  readonly lowerQuartileMilliseconds: number;
  readonly upperQuartileMilliseconds: number;
}

/** The times of all contenders over the same rounds. */
export interface Interleaved<Name extends string> {
  readonly rounds: number;
  readonly timings: Readonly<Partial<Record<Name, Timing>>>;
}

/** After a round as slow as this, as software drivers have them, no further one is asked for. */
const slowRoundMilliseconds = 20_000;

/**
 * Times each contender once a round. Every other round runs backwards, so that none always follows the same other and
 * finds the caches as that one left them. The contenders are expected to be warm.
 */
export async function interleave<Name extends string>(
  contenders: readonly Contender<Name>[],
  { fewest, most, budgetMilliseconds }: Rounds,
): Promise<Interleaved<Name>> {
  const samples = new Map<Name, number[]>(contenders.map(({ name }) => [name, []]));
  const start = performance.now();
  let [rounds, slowest] = [0, 0];
  const isAnotherWanted = (): boolean =>
    rounds === 0 ||
    (rounds < fewest && slowest < slowRoundMilliseconds) ||
    (rounds < most && performance.now() - start < budgetMilliseconds);
  while (isAnotherWanted()) {
    const roundStart = performance.now();
    const order = rounds % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) samples.get(contender.name)?.push(await contender.call());
    slowest = Math.max(slowest, performance.now() - roundStart);
    rounds++;
  }
  const [first] = samples.values();
  const timings = [...samples].map(([name, times]) => [name, timingOf(times, first ?? [])] as const);
  return { rounds, timings: Object.fromEntries(timings) as Partial<Record<Name, Timing>> };
}

function timingOf(times: readonly number[], first: readonly number[]): Timing {
  const sorted = ascending(times);
  const ratios = ascending(times.map((time, round) => time / first[round]));
  return {
    medianRatioToFirst: quantile(ratios, 0.5),
    medianMilliseconds: quantile(sorted, 0.5),
    leastMilliseconds: sorted[0],
    lowerQuartileMilliseconds: quantile(sorted, 0.25),
    upperQuartileMilliseconds: quantile(sorted, 0.75),
  };
}

function ascending(numbers: readonly number[]): readonly number[] {
  return numbers.toSorted((a, b) => a - b);
}

/** By linear interpolation. */
function quantile(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return below + (above - below) * (place - Math.floor(place));
}
