import { LossError } from "../../loss/error.ts";
import { importOptional } from "../../runtime/webgpu/optional.ts";
import { runningAverage } from "./runningAverage.ts";
import type { TrainingCallback } from "./trainingCallback.ts";

/** Options of `progressBar`. */
export interface ProgressBarOptions {
  /** How many steps the training has in all: of all epochs together. */
  readonly steps: number;
  /** How many steps were taken before; 0 by default. */
  readonly start?: number;
  /** Where the bar is drawn; standard error by default. Nothing is written where it is no terminal. */
  readonly stream?: ProgressStream;
  /** The time in milliseconds; performance.now by default. */
  readonly now?: () => number;
}

/** A stream that may be a terminal. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** The part of cli-progress that is used. */
interface CliProgress {
  readonly SingleBar: new (
    options: object,
  ) => {
    start(total: number, value: number, payload: object): void;
    update(value: number, payload: object): void;
    stop(): void;
  };
}

/**
 * A progress bar with a running average of the loss, tokens (or examples) a second and the time that is left. It is
 * silent where standard error is no terminal, and in browsers. Drawn by the package cli-progress, an optional peer.
 *
 * @throws LossError for a number of steps that is none, and in `onTrainBegin` where there is a terminal and no cli-progress.
 *
 * @example
 * ```ts
 * import { progressBar } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const written: string[] = [];
 * const bar = progressBar({ steps: 100, stream: { isTTY: false, write: (text) => written.push(text) } });
 * await bar.onTrainBegin();
 * await bar.onBatchEnd(0, { loss: 2.5, tokens: 512 });
 * await bar.onTrainEnd();
 * expect(written).toEqual([]);
 * ```
 */
export function progressBar(options: ProgressBarOptions): TrainingCallback {
  const { steps, start = 0, now = () => performance.now() } = options;
  const where = "progressBar({ steps })";
  if (!Number.isSafeInteger(steps) || steps < 1) {
    throw new LossError(where, `got ${String(steps)}`, "Give the number of steps of the whole training");
  }
  const stream = options.stream ?? standardError();
  let bar: InstanceType<CliProgress["SingleBar"]> | null = null;
  let done = start;
  let averaged = runningAverage();
  // Tokens and seconds of late, both fading in the same way.
  let [tokens, seconds, last] = [0, 0, 0];
  let unit = "tokens";

  return {
    onTrainBegin: async () => {
      if (stream?.isTTY !== true) return;
      const found = (await importOptional("cli-progress")) as (CliProgress & { readonly default?: CliProgress }) | null;
      if (found === null) throw new LossError(where, "the package cli-progress is missing", "npm install cli-progress");
      const { SingleBar } = found.default ?? found;
      [done, averaged, tokens, seconds, last] = [start, runningAverage(), 0, 0, now()];
      bar = new SingleBar({
        stream,
        format: "{bar} {value}/{total} | loss {loss} | {rate} {unit}/s | {eta_formatted} left",
        barsize: 24,
        barCompleteChar: "█",
        barIncompleteChar: "░",
        etaBuffer: 50,
        hideCursor: true,
      });
      bar.start(steps, start, { loss: "…", rate: "…", unit });
    },
    onBatchEnd: async (_, logs = {}) => {
      done++;
      if (bar === null) return;
      const time = now();
      if (logs["tokens"] === undefined && logs["size"] !== undefined) unit = "examples";
      tokens = 0.95 * tokens + (logs["tokens"] ?? logs["size"] ?? 0);
      seconds = 0.95 * seconds + (time - last) / 1000;
      last = time;
      const loss = averaged(logs["loss"] ?? Number.NaN);
      const rate = seconds > 0 ? Math.round(tokens / seconds).toLocaleString("en") : "…";
      bar.update(Math.min(done, steps), { loss: Number.isNaN(loss) ? "NaN" : loss.toFixed(4), rate, unit });
    },
    onEpochEnd: async () => {},
    onTrainEnd: async () => {
      bar?.stop();
      bar = null;
    },
  };
}

function standardError(): ProgressStream | null {
  const { process } = globalThis as { readonly process?: { readonly stderr?: ProgressStream } };
  return process?.stderr ?? null;
}
