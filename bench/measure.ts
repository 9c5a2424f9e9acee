/** Measures backends in turn: plain cross entropy against its contenders, and compositions against the plain one. */
import * as tf from "@tensorflow/tfjs";
import type { BackendName } from "lossmith";
import { type MeasuredBackend, measuredBackends, startBackend } from "./backends.ts";
import { type HostBatch, randomBatch, type Shape } from "./batches.ts";
import { type CompositionName, compositionNames, compositionsOf } from "./compositions.ts";
import { type FormName, formNames, formsOf } from "./forms.ts";
import { type Contender, type Interleaved, interleave, type Rounds } from "./interleaved.ts";
import { heapGrowthBytes, type Memory, peakBytesOf } from "./memory.ts";
import { type Outcome, outcomeOf, type PassName, passNames, runPass } from "./passes.ts";
import type { Progress } from "./progress.ts";
import type { BackendResult, CaseResult, CompositionResult, ContenderName } from "./results.ts";
import type { Torch } from "./torch.ts";
import { countWideKernels } from "./wideKernels.ts";

/** What is measured, and how thoroughly. */
export interface Scope {
  readonly backends: readonly BackendName[];
  readonly shapes: readonly Shape[];
  readonly compositionShapes: readonly Shape[];
  readonly rounds: Rounds;
}

/** The number of stages that are announced for a scope. */
export function stagesOf({ backends, shapes, compositionShapes }: Scope): number {
  return backends.length * (shapes.length + compositionShapes.length);
}

/** All that is measured on one backend. */
export interface Measured {
  readonly plain: BackendResult;
  readonly compositions: readonly CompositionResult[];
}

/** Measures the backends of a scope that this runtime has. */
export async function measure(scope: Scope, torch: Torch | null, progress: Progress): Promise<readonly Measured[]> {
  const measured: Measured[] = [];
  for (const backend of measuredBackends.filter(({ name }) => scope.backends.includes(name))) {
    if (!(await startBackend(backend.name))) continue;
    measured.push(await measureBackend(backend, scope, torch, progress));
  }
  return measured;
}

async function measureBackend(
  backend: MeasuredBackend,
  { shapes, compositionShapes, rounds }: Scope,
  torch: Torch | null,
  progress: Progress,
): Promise<Measured> {
  const wideKernels = await countWideKernels();
  const cases: CaseResult[] = [];
  for (const shape of shapes) {
    progress.stage(`${backend.name}, ${shape.rows} × ${shape.classes}`);
    const batch = randomBatch(shape);
    await torch?.load(batch);
    const { timings, peakBytes } = await timePasses(backend, batch, torch, rounds);
    cases.push({ ...shape, timings, memory: memoryOf(batch, peakBytes, await heapGrowthBytes(backend, batch)) });
  }
  const compositions: CompositionResult[] = [];
  for (const shape of compositionShapes) {
    progress.stage(`${backend.name}, compositions, ${shape.rows} × ${shape.classes}`);
    compositions.push({ backend: backend.name, ...shape, ...(await timeCompositions(shape, rounds)) });
  }
  return { plain: { backend: backend.name, wideKernels, cases }, compositions };
}

interface TimedPasses {
  readonly timings: Readonly<Record<PassName, Interleaved<ContenderName>>>;
  /** Of forward and backward. */
  readonly peakBytes: Readonly<Partial<Record<FormName, number | null>>>;
}

async function timePasses(
  backend: MeasuredBackend,
  batch: HostBatch,
  torch: Torch | null,
  rounds: Rounds,
): Promise<TimedPasses> {
  const { shape, logits: entries } = batch;
  const logits = tf.tensor2d(entries, [shape.rows, shape.classes]);
  const forms = formsOf(batch);
  const copier = backend.copierOf?.(logits) ?? null;
  const timed: [PassName, Interleaved<ContenderName>][] = [];
  const peakBytes: Partial<Record<FormName, number | null>> = {};
  for (const pass of passNames) {
    // The calls that are compared and whose memory is followed warm up the ones that are timed.
    const outcomes = new Map<ContenderName, Outcome>();
    for (const name of formNames) {
      const followed = await peakBytesOf(backend, () => outcomeOf(pass, forms[name], logits, batch.labels[0]));
      outcomes.set(name, followed.result);
      peakBytes[name] = followed.peakBytes;
    }
    if (torch !== null) outcomes.set("pytorch", await torch.run(pass));
    copier?.copy();
    checkAgreement(outcomes);
    const contenders: readonly Contender<ContenderName>[] = [
      ...formNames.map((name) => formContender(name, () => runPass(pass, forms[name], logits))),
      ...(torch === null ? [] : [{ name: "pytorch" as const, call: () => torch.run(pass) }]),
      ...(copier === null ? [] : [{ name: "copy" as const, call: async () => void copier.copy() }]),
    ];
    timed.push([pass, await interleave(contenders, rounds)]);
  }
  copier?.dispose();
  logits.dispose();
  return { timings: Object.fromEntries(timed) as TimedPasses["timings"], peakBytes };
}

function memoryOf(
  { logits }: HostBatch,
  peakBytes: TimedPasses["peakBytes"],
  growth: Readonly<Record<FormName, number>> | null,
): Readonly<Record<FormName, Memory>> {
  const share = (bytes: number | null): number | null => (bytes === null ? null : bytes / logits.byteLength);
  const ofForms = formNames.map((name): [FormName, Memory] => [
    name,
    {
      peakBytesPerLogitsByte: share(peakBytes[name] ?? null),
      heapGrowthBytesPerLogitsByte: share(growth?.[name] ?? null),
    },
  ]);
  return Object.fromEntries(ofForms) as Record<FormName, Memory>;
}

function formContender<Name extends string>(name: Name, run: () => Promise<number>): Contender<Name> {
  return {
    name,
    call: () => run().then(() => undefined),
  };
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

async function timeCompositions(shape: Shape, rounds: Rounds): Promise<Interleaved<CompositionName>> {
  const batch = randomBatch(shape);
  const logits = tf.tensor2d(batch.logits, [shape.rows, shape.classes]);
  const { forms, dispose } = compositionsOf(batch);
  const contenders = compositionNames.map((name) =>
    formContender(name, () => runPass("forwardAndBackward", forms[name], logits)),
  );
  for (const { call } of contenders) await call();
  const timed = await interleave(contenders, rounds);
  dispose();
  logits.dispose();
  return timed;
}
