/** What the benchmark is held to, beside what was measured. */
import type { BackendName } from "lossmith";
import { type Shape, shapeTitle } from "./batches.ts";
import { passNames } from "./passes.ts";
import type { BackendResult, CaseResult, CompositionResult, ContenderName, Results } from "./results.ts";
import { grouped, threeDigits } from "./tables.ts";

/** A target that a run says something about. */
export interface Target {
  readonly backend: BackendName;
  readonly what: string;
  readonly target: string;
  readonly measured: string;
  readonly isMet: boolean;
}

/** How many times as fast as tf.losses.softmaxCrossEntropy, forward and backward, at the first shape. */
const leastSpeedups: Readonly<Record<BackendName, number>> = { wasm: 8, cpu: 20, webgpu: 4, webgl: 3 };
const speedupShape: Shape = { rows: 128, classes: 50_257 };

/** Where a few classes leave least to gain: never slower than tensorflow.js, in any pass and against either form. */
const smallShapes: readonly Shape[] = [
  { rows: 4096, classes: 1000 },
  { rows: 65_536, classes: 10 },
];

/** The most memory beside the logits, where a row's own numbers are few beside it. */
const mostMemory = { leastClasses: 4096, sizesOfLogits: 1.05 };

/** Eight things composed onto cross entropy, against cross entropy alone. */
const mostOfEight = 1.1;

const isShape =
  (a: Shape) =>
  (b: Shape): boolean =>
    a.rows === b.rows && a.classes === b.classes;

/** The targets that results say something about. */
export function targetsOf({ backends, compositions }: Results): readonly Target[] {
  return backends.flatMap((result) => [
    ...speedup(result),
    ...(result.backend === "wasm" ? againstPyTorch(result) : []),
    ...smallShapes.flatMap((shape) => neverSlower(result, shape)),
    ...memory(result),
    ...compositions.filter(({ backend }) => backend === result.backend).flatMap(compositionTargets),
  ]);
}

/** The least of a contender's ratios to ours in a case. */
function leastRatio({ timings }: CaseResult, contenders: readonly ContenderName[]): number {
  const ratios = passNames.flatMap((pass) =>
    contenders.map((name) => timings[pass].timings[name]?.medianRatioToFirst ?? Number.POSITIVE_INFINITY),
  );
  return Math.min(...ratios);
}

function atLeast(backend: BackendName, what: string, least: number, measured: number): readonly Target[] {
  if (!Number.isFinite(measured)) return [];
  return [{ backend, what, target: `≥ ${least}`, measured: threeDigits(measured), isMet: measured >= least }];
}

function atMost(backend: BackendName, what: string, most: number, measured: string, value: number): Target {
  return { backend, what, target: `≤ ${most.toFixed(2)}`, measured, isMet: value <= most };
}

function speedup({ backend, cases }: BackendResult): readonly Target[] {
  const measured = cases.find(isShape(speedupShape))?.timings.forwardAndBackward.timings.softmaxCrossEntropy;
  const what = `${shapeTitle(speedupShape)}, forward and backward: softmaxCE ÷ ours`;
  return atLeast(backend, what, leastSpeedups[backend], measured?.medianRatioToFirst ?? Number.NaN);
}

function againstPyTorch({ backend, cases }: BackendResult): readonly Target[] {
  const measured = cases.find(isShape(speedupShape))?.timings.forwardAndBackward.timings.pytorch;
  const what = `${shapeTitle(speedupShape)}, forward and backward: PyTorch ÷ ours`;
  return atLeast(backend, what, 1, measured?.medianRatioToFirst ?? Number.NaN);
}

function neverSlower({ backend, cases }: BackendResult, shape: Shape): readonly Target[] {
  const measured = cases.find(isShape(shape));
  if (measured === undefined) return [];
  const what = `${shapeTitle(shape)}: the lowest of softmaxCE ÷ ours and logSoftmax ÷ ours in either pass`;
  return atLeast(backend, what, 1, leastRatio(measured, ["softmaxCrossEntropy", "logSoftmax"]));
}

function memory({ backend, cases }: BackendResult): readonly Target[] {
  const peaks = cases
    .filter(({ classes }) => classes >= mostMemory.leastClasses)
    .map(({ memory }) => memory.lossmith?.peakBytesPerLogitsByte ?? Number.POSITIVE_INFINITY);
  if (peaks.length === 0) return [];
  const peak = Math.max(...peaks);
  const what = `memory beside the logits, in sizes of the logits, from ${grouped(mostMemory.leastClasses)} classes on`;
  return [atMost(backend, what, mostMemory.sizesOfLogits, peak.toFixed(3), peak)];
}

function compositionTargets(composition: CompositionResult): readonly Target[] {
  const { backend, timings, kernels } = composition;
  const what = `${shapeTitle(composition)}, 8 composed onto cross entropy ÷ cross entropy alone`;
  if (backend === "wasm" || backend === "cpu") {
    return (["eight", "eightAtOneStep"] as const).flatMap((name) => {
      const ratio = timings[name]?.medianRatioToFirst;
      if (ratio === undefined) return [];
      const label = `${what}, ${name === "eight" ? "a new step in each call" : "at one step"}`;
      return [atMost(backend, label, mostOfEight, ratio.toFixed(2), ratio)];
    });
  }
  if (backend === "webgl") return [];
  const wide = ({ forward, backward }: typeof kernels.plain): number => forward.wide + backward.wide;
  const dispatches = ({ forward, backward }: typeof kernels.plain): number =>
    (forward.dispatches ?? 0) + (backward.dispatches ?? 0);
  const ratio = wide(kernels.eight) / wide(kernels.plain);
  const measured =
    `${ratio.toFixed(2)} (${wide(kernels.eight)} ÷ ${wide(kernels.plain)}; ` +
    `dispatches ${dispatches(kernels.eight)} and ${dispatches(kernels.plain)})`;
  return [atMost(backend, `${what}: kernels over all entries`, mostOfEight, measured, ratio)];
}
