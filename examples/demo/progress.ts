/** Progress: bars where somebody is watching, plain lines elsewhere. */
import cliProgress from "cli-progress";
import { runningAverage } from "../report/smoothing.ts";

/** A part of the work under way. */
export interface Phase {
  /** Says how much is done, and the loss where there is one. */
  update(done: number, loss: number | null): void;
  end(): void;
}

/** Announces a part of the work and how much there is to do. */
export type ReportProgress = (name: string, total: number) => Phase;

/** Where progress goes. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Progress that nobody sees. */
export const silent: ReportProgress = () => ({ update: () => {}, end: () => {} });

/** Progress for a stream: bars on a terminal, otherwise a line at every tenth of the work. */
export function progressOn(stream: NodeJS.WriteStream): ReportProgress {
  return stream.isTTY ? bars(stream) : lines(stream, () => performance.now());
}

const nameWidth = 29;
const lossWidth = 7;

/** Bars that redraw themselves, with an exponential average of the loss and the time left. */
function bars(stream: NodeJS.WriteStream): ReportProgress {
  return (name, total) => {
    const averaged = runningAverage();
    const bar = new cliProgress.SingleBar({
      stream,
      format: "{name} {bar} {percentage} % | {loss}{eta_formatted} left",
      barsize: 24,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      autopaddingChar: " ",
      autopadding: true,
      etaBuffer: 20,
      hideCursor: true,
    });
    bar.start(total, 0, { name: name.padEnd(nameWidth), loss: "" });
    return {
      update: (done, loss) => {
        const shown = loss === null ? "" : `loss ${averaged(loss).toFixed(3).padStart(lossWidth)} | `;
        bar.update(done, { loss: shown });
      },
      end: () => bar.stop(),
    };
  };
}

/** Lines of plain text. */
export function lines(stream: ProgressStream, now: () => number): ReportProgress {
  return (name, total) => {
    const averaged = runningAverage();
    const start = now();
    let shownTenths = 0;
    return {
      update: (done, loss) => {
        const mean = loss === null ? null : averaged(loss);
        const tenths = Math.floor((10 * done) / total);
        if (tenths === shownTenths) return;
        shownTenths = tenths;
        const percent = `${Math.round((100 * done) / total)} %`.padStart(5);
        const secondsLeft = Math.round((((now() - start) / done) * (total - done)) / 1000);
        const shownLoss = mean === null ? "" : ` | loss ${mean.toFixed(3).padStart(lossWidth)}`;
        stream.write(`${name.padEnd(nameWidth)} ${percent}${shownLoss} | ${secondsLeft} s left\n`);
      },
      end: () => {},
    };
  };
}
