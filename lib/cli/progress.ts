import cliProgress from "cli-progress";
import type { CountProgress } from "../frequency/files/countFiles.ts";
import { bytes, grouped } from "./text.ts";

/** A bar on a terminal. */
export interface Progress {
  readonly update: (progress: CountProgress) => void;
  readonly end: () => void;
}

/** A bar on `stream`, or null where nobody would see it. */
export function progressOn(stream: NodeJS.WriteStream | null): Progress | null {
  if (stream === null || stream.isTTY !== true) return null;
  let bar: cliProgress.SingleBar | null = null;
  const start = performance.now();
  return {
    update: ({ bytes: read, totalBytes, tokens }) => {
      const seconds = (performance.now() - start) / 1000;
      const shown = {
        read: totalBytes === null ? bytes(read) : `${bytes(read)} of ${bytes(totalBytes)}`,
        speed: grouped(Math.round(tokens / Math.max(seconds, 1e-3))),
      };
      // Nobody knows how much is to come from the standard input.
      const known = totalBytes !== null;
      if (bar === null) {
        bar = new cliProgress.SingleBar({
          stream,
          format: `${known ? "{bar} {percentage} % | " : ""}{read} | {speed} tokens/s${known ? " | {eta_formatted} left" : ""}`,
          barsize: 24,
          barCompleteChar: "█",
          barIncompleteChar: "░",
          etaBuffer: 50,
          hideCursor: true,
          clearOnComplete: true,
        });
        bar.start(totalBytes ?? 0, 0, shown);
      }
      bar.update(read, shown);
    },
    end: () => {
      bar?.stop();
      bar = null;
    },
  };
}
