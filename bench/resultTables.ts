/** The results as tables. */
import type { Shape } from "./batches.ts";
import { compositionNames, compositionParts } from "./compositions.ts";
import { type FormName, formNames } from "./forms.ts";
import type { Timing } from "./interleaved.ts";
import { type PassName, passNames } from "./passes.ts";
import type { BackendResult, CaseResult, CompositionResult, ContenderName, Results } from "./results.ts";
import { grouped, type Table, threeDigits } from "./tables.ts";

/** A table and what it shows. */
export interface TitledTable {
  readonly title: string;
  readonly table: Table;
}

/** The contenders as they are shown. */
export const contenderTitles: Readonly<Record<ContenderName, string>> = {
  lossmith: "lossmith",
  softmaxCrossEntropy: "tf.losses.softmaxCrossEntropy",
  logSoftmax: "−Σ oneHot · logSoftmax / N",
  pytorch: "PyTorch, one thread",
  copy: "copy of the logits",
};

/** The passes as they are shown. */
export const passTitles: Readonly<Record<PassName, string>> = {
  forward: "forward",
  forwardAndBackward: "forward and backward",
};

/** A shape as it is shown. */
export function shapeTitle({ rows, classes }: Shape): string {
  return `${grouped(rows)} × ${grouped(classes)}`;
}

/** All tables of the results, in the order to read them. */
export function tablesOf({ backends, compositions }: Results): readonly TitledTable[] {
  return [
    ...backends.flatMap((result) => passNames.map((pass) => timesOf(result, pass))),
    kernelsOf(backends),
    ...backends.map(memoryOf),
    ...(compositions.length === 0 ? [] : [compositionsOf(compositions)]),
  ];
}

const others = ["softmaxCrossEntropy", "logSoftmax", "pytorch", "copy"] as const;

function timesOf({ backend, cases }: BackendResult, pass: PassName): TitledTable {
  return {
    title: `${backend}, ${passTitles[pass]}: median milliseconds, and median ratios within a round to ours, lossmith's`,
    table: {
      header: [
        "N × V",
        "ours (middle half)",
        "ns a logit",
        "softmaxCE",
        "logSoftmax",
        "PyTorch",
        "copy",
        "softmaxCE ÷ ours",
        "logSoftmax ÷ ours",
        "PyTorch ÷ ours",
        "ours ÷ copy",
        "rounds",
      ],
      rows: cases.map((measured) => {
        const { rounds, timings } = measured.timings[pass];
        const ours = timings.lossmith?.medianMilliseconds;
        return [
          shapeTitle(measured),
          withMiddleHalf(timings.lossmith),
          ours === undefined ? "–" : threeDigits((1e6 * ours) / (measured.rows * measured.classes)),
          ...others.map((name) => threeDigits(timings[name]?.medianMilliseconds)),
          ...(["softmaxCrossEntropy", "logSoftmax", "pytorch"] as const).map((name) =>
            threeDigits(timings[name]?.medianRatioToFirst),
          ),
          threeDigits(inverse(timings.copy?.medianRatioToFirst)),
          String(rounds),
        ];
      }),
    },
  };
}

function inverse(ratio: number | undefined): number | null {
  return ratio === undefined ? null : 1 / ratio;
}

function withMiddleHalf(timing: Timing | undefined): string {
  if (timing === undefined) return "–";
  const { medianMilliseconds, lowerQuartileMilliseconds, upperQuartileMilliseconds } = timing;
  return `${threeDigits(medianMilliseconds)} (${threeDigits(lowerQuartileMilliseconds)} to ${threeDigits(upperQuartileMilliseconds)})`;
}

function kernelsOf(backends: readonly BackendResult[]): TitledTable {
  return {
    title: "Passes over all N · V entries: kernels that read or write them, forward + backward",
    table: {
      header: ["backend", ...formNames.map((name) => contenderTitles[name])],
      rows: backends.map(({ backend, wideKernels }) => [
        backend,
        ...formNames.map((name) => {
          const { forwardKernels, backwardKernels } = wideKernels[name];
          return `${forwardKernels} + ${backwardKernels}`;
        }),
      ]),
    },
  };
}

function memoryOf({ backend, cases }: BackendResult): TitledTable {
  const hasHeap = cases.some(({ memory }) => memory.lossmith.heapGrowthBytesPerLogitsByte !== null);
  const cells = (read: (name: FormName) => number | null): readonly string[] =>
    formNames.map((name) => read(name)?.toFixed(2) ?? "–");
  const short = ["ours", "softmaxCE", "logSoftmax"];
  return {
    title:
      `${backend}, memory beside the logits in forward and backward, in sizes of the logits, of which the gradient is 1` +
      `${hasHeap ? "; and by how much a fresh heap grew" : ""}`,
    table: {
      header: ["N × V", ...short, ...(hasHeap ? short.map((name) => `heap, ${name}`) : [])],
      rows: cases.map((measured) => [
        shapeTitle(measured),
        ...cells((name) => measured.memory[name].peakBytesPerLogitsByte),
        ...(hasHeap ? cells((name) => measured.memory[name].heapGrowthBytesPerLogitsByte) : []),
      ]),
    },
  };
}

function compositionsOf(compositions: readonly CompositionResult[]): TitledTable {
  const cell = (timing: Timing | undefined): string =>
    timing === undefined ? "–" : `${threeDigits(timing.medianMilliseconds)} (${timing.medianRatioToFirst.toFixed(2)})`;
  return {
    title:
      "Composition, forward and backward: median milliseconds, and in parentheses as a multiple of cross entropy alone",
    table: {
      header: ["composed onto cross entropy", ...compositions.map((c) => `${c.backend} ${shapeTitle(c)}`)],
      rows: compositionNames.map((name) => [
        compositionParts[name],
        ...compositions.map(({ timings }) => cell(timings[name])),
      ]),
    },
  };
}

/** How many times as long as lossmith the other contenders of a case take. */
export function ratiosToOurs({ timings }: CaseResult, pass: PassName): readonly (readonly [ContenderName, number])[] {
  return others.flatMap((name) => {
    const ratio = timings[pass].timings[name]?.medianRatioToFirst;
    return ratio === undefined ? [] : [[name, ratio] as const];
  });
}
