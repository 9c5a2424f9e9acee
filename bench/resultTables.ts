/** The results as tables. */
import type { BackendName } from "lossmith";
import { shapeTitle } from "./batches.ts";
import { type CompositionName, compositionNames, compositionParts } from "./compositions.ts";
import { type FormName, formNames, formNamesOn } from "./forms.ts";
import type { Timing } from "./interleaved.ts";
import type { KernelCount, KernelCounts } from "./kernelCounts.ts";
import { type PassName, passNames } from "./passes.ts";
import type { BackendResult, CaseResult, CompositionResult, ContenderName, Results } from "./results.ts";
import { type TitledTable, threeDigits } from "./tables.ts";
import { targetsOf } from "./targets.ts";

export { shapeTitle };

/** The contenders as they are shown. */
export const contenderTitles: Readonly<Record<ContenderName, string>> = {
  lossmith: "lossmith",
  softmaxCrossEntropy: "tf.losses.softmaxCrossEntropy",
  logSoftmax: "−Σ oneHot · logSoftmax",
  softmaxCrossEntropyOnOurs: "tf.losses.softmaxCrossEntropy on our backend",
  logSoftmaxOnOurs: "−Σ oneHot · logSoftmax on our backend",
  pytorch: "PyTorch, one thread",
  copy: "copy of the logits",
};

/** The same in the heads of narrow columns. */
export const columnTitles: Readonly<Record<ContenderName, string>> = {
  lossmith: "ours",
  softmaxCrossEntropy: "softmaxCE",
  logSoftmax: "logSoftmax",
  softmaxCrossEntropyOnOurs: "softmaxCE, our backend",
  logSoftmaxOnOurs: "logSoftmax, our backend",
  pytorch: "PyTorch",
  copy: "copy",
};

/** The passes as they are shown. */
export const passTitles: Readonly<Record<PassName, string>> = {
  forward: "forward",
  forwardAndBackward: "forward and backward",
};

/** All tables of the results, in the order to read them. */
export function tablesOf(results: Results): readonly TitledTable[] {
  const { backends, compositions } = results;
  if (backends.length === 0) return [];
  return [
    surroundingsOf(backends),
    targetsTable(results),
    ...backends.flatMap((result) => passNames.map((pass) => timesOf(result, pass))),
    kernelsOf(backends),
    ...backends.map(memoryOf),
    ...(compositions.length === 0 ? [] : [compositionTimes(compositions), compositionKernels(compositions)]),
  ];
}

function surroundingsOf(backends: readonly BackendResult[]): TitledTable {
  return {
    title: "Where each backend ran",
    table: {
      header: ["backend", "runtime", "device"],
      rows: backends.map(({ backend, runtime, device }) => [backend, runtime, device ?? "the processor"]),
    },
  };
}

function targetsTable(results: Results): TitledTable {
  return {
    title: "Targets, of what this run measured",
    table: {
      header: ["what", "target", "measured", "met"],
      rows: targetsOf(results).map(({ backend, what, target, measured, isMet }) => [
        `${backend}, ${what}`,
        target,
        measured,
        isMet ? "yes" : "no",
      ]),
    },
  };
}

/** The contenders of lossmith on a backend, in the order in which they are shown. */
function othersOn(backend: BackendName, pass: PassName, cases: readonly CaseResult[]): readonly ContenderName[] {
  const all: readonly ContenderName[] = [...formNamesOn(backend).slice(1), "pytorch", "copy"];
  return all.filter((name) => cases.some(({ timings }) => timings[pass].timings[name] !== undefined));
}

function timesOf({ backend, cases }: BackendResult, pass: PassName): TitledTable {
  const others = othersOn(backend, pass, cases);
  const cell = (timing: Timing | undefined): string =>
    timing === undefined
      ? "–"
      : `${threeDigits(timing.medianMilliseconds)} (${threeDigits(timing.medianRatioToFirst)})`;
  return {
    title: `${backend}, ${passTitles[pass]}: median milliseconds, and the median ratio to ours within a round`,
    table: {
      header: ["N × V", "ours (middle half)", "ns a logit", ...others.map((name) => columnTitles[name]), "rounds"],
      rows: cases.map((measured) => {
        const { rounds, timings } = measured.timings[pass];
        const ours = timings.lossmith?.medianMilliseconds;
        return [
          shapeTitle(measured),
          withMiddleHalf(timings.lossmith),
          ours === undefined ? "–" : threeDigits((1e6 * ours) / (measured.rows * measured.classes)),
          ...others.map((name) => cell(timings[name])),
          String(rounds),
        ];
      }),
    },
  };
}

function withMiddleHalf(timing: Timing | undefined): string {
  if (timing === undefined) return "–";
  const { medianMilliseconds, lowerQuartileMilliseconds, upperQuartileMilliseconds } = timing;
  return `${threeDigits(medianMilliseconds)} (${threeDigits(lowerQuartileMilliseconds)} to ${threeDigits(upperQuartileMilliseconds)})`;
}

/** Forward + backward: wide kernels, and in parentheses all that a GPU was told to run. */
function kernelCell(counts: KernelCounts | undefined): string {
  if (counts === undefined) return "–";
  const all = ({ dispatches }: KernelCount): number => dispatches ?? 0;
  const { forward, backward } = counts;
  const wide = `${forward.wide} + ${backward.wide}`;
  return forward.dispatches === null ? wide : `${wide} (${all(forward)} + ${all(backward)})`;
}

function kernelsOf(backends: readonly BackendResult[]): TitledTable {
  const names = formNames.filter((name) => backends.some(({ kernels }) => kernels[name] !== undefined));
  return {
    title:
      "Passes over all N · V entries, forward + backward: kernels that read or write them; " +
      "in parentheses all programs that a GPU was told to run",
    table: {
      header: ["backend", ...names.map((name) => contenderTitles[name])],
      rows: backends.map(({ backend, kernels }) => [backend, ...names.map((name) => kernelCell(kernels[name]))]),
    },
  };
}

function memoryOf({ backend, cases }: BackendResult): TitledTable {
  const names = formNamesOn(backend);
  const hasHeap = cases.some(({ memory }) => typeof memory.lossmith?.heapGrowthBytesPerLogitsByte === "number");
  const cells = (read: (name: FormName) => number | null | undefined): readonly string[] =>
    names.map((name) => read(name)?.toFixed(2) ?? "–");
  return {
    title:
      `${backend}, memory beside the logits in forward and backward, in sizes of the logits, of which the gradient is 1` +
      `${hasHeap ? "; and by how much a fresh heap grew" : ""}`,
    table: {
      header: [
        "N × V",
        ...names.map((name) => columnTitles[name]),
        ...(hasHeap ? names.map((name) => `heap, ${columnTitles[name]}`) : []),
      ],
      rows: cases.map((measured) => [
        shapeTitle(measured),
        ...cells((name) => measured.memory[name]?.peakBytesPerLogitsByte),
        ...(hasHeap ? cells((name) => measured.memory[name]?.heapGrowthBytesPerLogitsByte) : []),
      ]),
    },
  };
}

function compositionTable(
  title: string,
  compositions: readonly CompositionResult[],
  cell: (composition: CompositionResult, name: CompositionName) => string,
): TitledTable {
  return {
    title,
    table: {
      header: ["composed onto cross entropy", ...compositions.map((c) => `${c.backend} ${shapeTitle(c)}`)],
      rows: compositionNames.map((name) => [compositionParts[name], ...compositions.map((c) => cell(c, name))]),
    },
  };
}

export function compositionTimes(compositions: readonly CompositionResult[]): TitledTable {
  const title =
    "Composition, forward and backward: median milliseconds, and in parentheses as a multiple of cross entropy alone";
  return compositionTable(title, compositions, ({ timings }, name) => {
    const timing = timings[name];
    return timing === undefined
      ? "–"
      : `${threeDigits(timing.medianMilliseconds)} (${timing.medianRatioToFirst.toFixed(2)})`;
  });
}

function compositionKernels(compositions: readonly CompositionResult[]): TitledTable {
  const title =
    "Composition, passes over all N · V entries, forward + backward; in parentheses all programs that a GPU was told to run";
  return compositionTable(title, compositions, ({ kernels }, name) => kernelCell(kernels[name]));
}

/** How many times as long as lossmith the other contenders of a case take. */
export function ratiosToOurs({ timings }: CaseResult, pass: PassName): readonly (readonly [ContenderName, number])[] {
  return Object.entries(timings[pass].timings)
    .filter(([name]) => name !== "lossmith")
    .map(([name, timing]) => [name as ContenderName, timing.medianRatioToFirst]);
}
