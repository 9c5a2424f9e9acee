/** A line of progress on stderr, where somebody is watching. */
import process from "node:process";
import cliProgress from "cli-progress";

/** How far the work is. */
export interface Progress {
  /** A stage begins. */
  stage(name: string): void;
  end(): void;
}

/** Progress over so many stages. */
export function progressOver(stages: number): Progress {
  const bar = new cliProgress.SingleBar({
    stream: process.stderr,
    // Without a terminal it draws nothing.
    noTTYOutput: false,
    format: "{bar} {percentage} % | {stage}",
    barsize: 24,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(stages, 0, { stage: "" });
  let begun = 0;
  return {
    stage: (stage) => bar.update(begun++, { stage }),
    end: () => {
      bar.update(stages);
      bar.stop();
    },
  };
}
