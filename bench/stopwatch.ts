/** Times calls, one or several at a time. */
import { Bench } from "tinybench";

/** Work that is timed. */
export interface Work {
  /** Does it, or tells a device to. */
  readonly start: () => void;
  /** Waits until all that was started is done. */
  readonly finish: () => Promise<void>;
}

/** The milliseconds of one call, of `calls` that are started in a row and waited for at the end. */
export async function millisecondsOf(name: string, { start, finish }: Work, calls = 1): Promise<number> {
  // A tinybench of one iteration: more of them would not be interleaved with the other contenders'.
  const bench = new Bench({ iterations: 1, time: 0, warmup: false, throws: true });
  const run = async (): Promise<void> => {
    for (let i = 0; i < calls; i++) start();
    await finish();
  };
  // Said to be async, it is not called once more to find out.
  const [{ result }] = await bench.add(name, run, { async: true }).run();
  if (!("latency" in result)) throw new Error(`${name} was not timed`);
  return result.latency.p50 / calls;
}

/** Says how long a call takes, in milliseconds. */
export type Clock = (name: string, work: Work) => Promise<number>;

/** The clock on the wall, where work is done when a call returns. */
export const wallClock: Clock = (name, work) => millisecondsOf(name, work);

/** A sample on a device is at least so long: to see that it is done takes a runtime up to some ten milliseconds. */
const leastSampleMilliseconds = 150;
const mostCalls = 256;

/** How many calls make a sample, if a call took so long. */
export function callsFor(milliseconds: number): number {
  return Math.min(mostCalls, Math.max(1, Math.ceil(leastSampleMilliseconds / milliseconds)));
}

/** The clock on the wall, where a device does the work: a sample is as many calls as make it long. */
export function deviceWallClock(): Clock {
  const known = new Map<string, number>();
  return async (name, work) => {
    const calls = known.get(name);
    if (calls !== undefined) return millisecondsOf(name, work, calls);
    const first = await longSample(name, work);
    known.set(name, first.calls);
    return first.milliseconds;
  };
}

/** The first sample that is long enough; with more calls in it, less of it is waiting, so that it may take another. */
async function longSample(
  name: string,
  work: Work,
): Promise<{ readonly calls: number; readonly milliseconds: number }> {
  let calls = 1;
  for (;;) {
    const milliseconds = await millisecondsOf(name, work, calls);
    const wanted = callsFor(milliseconds);
    if (wanted < 1.5 * calls) return { calls, milliseconds };
    calls = wanted;
  }
}
