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

/** A sample on a device is at least so long: to see that it is done takes a runtime up to some ten milliseconds. */
const leastSampleMilliseconds = 150;
const mostCalls = 16;

/** How many calls make a sample, if one call took so long. */
export function callsFor(milliseconds: number): number {
  return Math.min(mostCalls, Math.max(1, Math.ceil(leastSampleMilliseconds / milliseconds)));
}
