/** The results of a GPU as tables. */
import { compositionNames, compositionParts } from "../compositions.ts";
import { passNames } from "../passes.ts";
import { passTitles, shapeTitle } from "../resultTables.ts";
import { type TitledTable, threeDigits } from "../tables.ts";
import type { DeviceComposition, GpuResults } from "./gpuResults.ts";

/** The tables that other backends have not; with wall times alone where the device has no timestamps. */
export function gpuTablesOf(results: GpuResults): readonly TitledTable[] {
  const compositions = results.device?.compositions ?? [];
  return [memoryLimit(results), ...(compositions.length === 0 ? [] : [compositionTimes(compositions)])];
}

function memoryLimit({ backends, device }: GpuResults): TitledTable {
  const wallCases = backends.flatMap(({ cases }) => cases);
  return {
    title:
      "Cross entropy against a copy of the logits on the device. GB/s: what has to move, over the device time: the logits " +
      "once forward, three times forward and backward, twice in the copy. Ratios are of device times, medians within a round. " +
      "Wide are the programs over all N · V entries; the rest of our time is in small ones",
    table: {
      header: [
        "N × V",
        "pass",
        "ours, ms (device)",
        "ours, ms (wall)",
        "% in wide programs",
        "GB/s",
        "% of the copy's GB/s",
        "softmaxCE ÷ ours",
        "logSoftmax ÷ ours",
        "copy, ms",
        "copy, GB/s",
      ],
      rows: wallCases.flatMap((wall, i) =>
        passNames.map((pass) => {
          const onDevice = device?.cases[i];
          const timings = onDevice?.timings[pass].timings ?? {};
          const { lossmith, softmaxCrossEntropy, logSoftmax, copy } = timings;
          const byWall = timings.lossmithByWall ?? wall.timings[pass].timings.lossmith;
          const bandwidth = onDevice?.bandwidths[pass];
          return [
            shapeTitle(wall),
            passTitles[pass],
            threeDigits(lossmith?.medianMilliseconds),
            threeDigits(byWall?.medianMilliseconds),
            percent(onDevice?.wideShares[pass]),
            threeDigits(bandwidth?.gigabytesPerSecond),
            percent(bandwidth?.shareOfCopy),
            threeDigits(softmaxCrossEntropy?.medianRatioToFirst),
            threeDigits(logSoftmax?.medianRatioToFirst),
            threeDigits(copy?.medianMilliseconds),
            threeDigits(bandwidth?.copyGigabytesPerSecond),
          ];
        }),
      ),
    },
  };
}

function percent(share: number | undefined): string {
  return share === undefined ? "–" : (100 * share).toFixed(0);
}

function compositionTimes(compositions: readonly DeviceComposition[]): TitledTable {
  return {
    title:
      "Composition, forward and backward: median milliseconds on the device, and in parentheses as a multiple of cross " +
      "entropy alone",
    table: {
      header: ["composed onto cross entropy", ...compositions.map(shapeTitle)],
      rows: compositionNames.map((name) => [
        compositionParts[name],
        ...compositions.map(({ timings }) => {
          const timing = timings[name];
          if (timing === undefined) return "–";
          return `${threeDigits(timing.medianMilliseconds)} (${timing.medianRatioToFirst.toFixed(2)})`;
        }),
      ]),
    },
  };
}
