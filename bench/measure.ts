/** Measures a backend at a place: plain cross entropy against its contenders, and compositions against the plain one. */
import type { BackendName } from "lossmith";
import { randomBatch, type Shape } from "./batches.ts";
import { compositionNames } from "./compositions.ts";
import { type FormName, formNamesOn } from "./forms.ts";
import { type Contender, type Interleaved, interleave, type Rounds } from "./interleaved.ts";
import { type Outcome, type PassName, passNames } from "./passes.ts";
import type { OfForms, Place } from "./place.ts";
import type { Progress } from "./progress.ts";
import type { BackendResult, CaseResult, CompositionResult, ContenderName, Memory } from "./results.ts";
import type { Torch } from "./torch.ts";

/** What is measured, and how thoroughly. */
export interface Scope {
  readonly shapes: readonly Shape[];
  readonly compositionShapes: readonly Shape[];
  readonly rounds: Rounds;
}

/** The number of stages that are announced for a scope. */
export function stagesOf({ shapes, compositionShapes }: Scope): number {
  return shapes.length + compositionShapes.length;
}

/** All that is measured on one backend. */
export interface Measured {
  readonly plain: BackendResult;
  readonly compositions: readonly CompositionResult[];
}

export async function measureBackend(
  backend: BackendName,
  place: Place,
  { shapes, compositionShapes, rounds }: Scope,
  torch: Torch | null,
  progress: Progress,
): Promise<Measured> {
  const surroundings = await place.surroundings();
  const kernels = await place.countKernels();
  const cases: CaseResult[] = [];
  for (const shape of shapes) {
    progress.stage(`${backend}, ${shape.rows} × ${shape.classes}`);
    cases.push(await measureCase(backend, place, shape, torch, rounds));
  }
  const compositions: CompositionResult[] = [];
  for (const shape of compositionShapes) {
    progress.stage(`${backend}, compositions, ${shape.rows} × ${shape.classes}`);
    const counts = await place.loadCompositions(shape);
    const contenders = compositionNames.map((name) => ({ name, call: () => place.timeComposition(name) }));
    const timed = await interleave(contenders, rounds);
    await place.unloadCompositions();
    compositions.push({ backend, ...shape, kernels: counts, ...timed });
  }
  return { plain: { backend, ...surroundings, kernels, cases }, compositions };
}

async function measureCase(
  backend: BackendName,
  place: Place,
  shape: Shape,
  torch: Torch | null,
  rounds: Rounds,
): Promise<CaseResult> {
  const formNames = formNamesOn(backend);
  await torch?.load(randomBatch(shape));
  await place.load(shape);
  const timed: [PassName, Interleaved<ContenderName>][] = [];
  const peakBytes: Partial<Record<FormName, number>> = {};
  for (const pass of passNames) {
    // The calls that are compared and whose memory is followed warm up the ones that are timed.
    const outcomes = new Map<ContenderName, Outcome>();
    for (const name of formNames) {
      const outcome = await place.outcome(pass, name);
      outcomes.set(name, outcome);
      // The last pass is forward and backward.
      peakBytes[name] = outcome.peakBytes;
    }
    if (torch !== null) outcomes.set("pytorch", await torch.run(pass));
    checkAgreement(outcomes);
    const contenders: readonly Contender<ContenderName>[] = [
      ...formNames.map((name) => ({ name, call: () => place.time(pass, name) })),
      ...(torch === null ? [] : [{ name: "pytorch" as const, call: async () => (await torch.run(pass)).milliseconds }]),
      { name: "copy", call: () => place.timeCopy() },
    ];
    timed.push([pass, await interleave(contenders, rounds)]);
  }
  await place.unload();
  return {
    ...shape,
    timings: Object.fromEntries(timed) as CaseResult["timings"],
    memory: memoryOf(shape, formNames, peakBytes, await place.heapGrowth(shape)),
  };
}

function memoryOf(
  { rows, classes }: Shape,
  formNames: readonly FormName[],
  peakBytes: OfForms<number>,
  growth: OfForms<number> | null,
): OfForms<Memory> {
  const share = (bytes: number | undefined): number => (bytes ?? Number.NaN) / (4 * rows * classes);
  const ofForms = formNames.map((name): [FormName, Memory] => [
    name,
    {
      peakBytesPerLogitsByte: share(peakBytes[name]),
      heapGrowthBytesPerLogitsByte: growth === null ? null : share(growth[name]),
    },
  ]);
  return Object.fromEntries(ofForms);
}

/** How far two contenders may be apart, relatively. */
const tolerance = 1e-4;

/** All contenders must have computed the same. */
function checkAgreement(outcomes: ReadonlyMap<ContenderName, Outcome>): void {
  const ours = outcomes.get("lossmith") as Outcome;
  const differ = (a: number, b: number): boolean => !(Math.abs(a - b) <= tolerance * Math.abs(b));
  for (const [name, { value, gradientEntry }] of outcomes) {
    if (differ(ours.value, value)) throw new Error(`lossmith's loss is ${ours.value}, ${name}'s is ${value}`);
    if (gradientEntry !== null && differ(ours.gradientEntry ?? Number.NaN, gradientEntry)) {
      throw new Error(`lossmith's gradient has ${ours.gradientEntry}, ${name}'s has ${gradientEntry}`);
    }
  }
}
