/** The calls of a backend in this process, or in this page. */
import * as tf from "@tensorflow/tfjs";
import { type BackendName, crossEntropy, explain } from "lossmith";
import { measuredBackends } from "./backends/all.ts";
import { type Copier, type MeasuredBackend, restart } from "./backends/backend.ts";
import type { KernelSets } from "./backends/kernelSets.ts";
import { type HostBatch, randomBatch, type Shape } from "./batches.ts";
import { type CompositionName, type Compositions, compositionNames, compositionsOf } from "./compositions.ts";
import { type Form, type FormName, formNamesOn, formsOf, isStock } from "./forms.ts";
import { countFormKernels, countKernels, type KernelCounts } from "./kernelCounts.ts";
import { outcomeOf, type PassName, readNumber, runPass, startPass } from "./passes.ts";
import type { FollowedOutcome, OfForms, Place, Surroundings } from "./place.ts";
import { type Clock, deviceWallClock, type Work, wallClock } from "./stopwatch.ts";

interface LoadedBatch {
  readonly batch: HostBatch;
  readonly logits: tf.Tensor2D;
  readonly forms: Readonly<Record<FormName, Form>>;
  readonly copier: Copier;
}

interface LoadedCompositions {
  readonly logits: tf.Tensor2D;
  readonly compositions: Compositions;
}

export class LocalPlace implements Place {
  readonly #backend: MeasuredBackend;
  readonly #kernels: KernelSets | null;
  #batch: LoadedBatch | null = null;
  #compositions: LoadedCompositions | null = null;
  #clock: Clock = wallClock;
  readonly #newClock: () => Clock;

  private constructor(backend: MeasuredBackend, kernels: KernelSets | null, newClock: () => Clock) {
    this.#backend = backend;
    this.#kernels = kernels;
    this.#newClock = newClock;
  }

  /** Starts a backend, or rejects with what is missing. Each batch gets a clock of its own: by default one on the wall. */
  static async start(name: BackendName, newClock?: () => Clock): Promise<LocalPlace> {
    const backend = measuredBackends[name];
    const onTheWall = backend.device === null ? () => wallClock : deviceWallClock;
    return new LocalPlace(backend, await backend.start(), newClock ?? onTheWall);
  }

  async surroundings(): Promise<Surroundings> {
    const [, name = "unknown", version = ""] = navigator.userAgent.match(/(Bun|Deno|Node\.js|Chrome)\/([\d.]+)/) ?? [];
    return { runtime: `${name} ${version}`, device: (await this.#backend.device?.describe()) ?? null };
  }

  countKernels(): Promise<OfForms<KernelCounts>> {
    return countFormKernels(this.#backend, this.#kernels, explain(crossEntropy));
  }

  async load(shape: Shape): Promise<void> {
    const batch = randomBatch(shape);
    const logits = this.#placed(batch);
    this.#batch = { batch, logits, forms: formsOf(batch), copier: this.#backend.copierOf(logits) };
    this.#clock = this.#newClock();
    await this.timeCopy();
  }

  outcome(pass: PassName, form: FormName): Promise<FollowedOutcome> {
    const { batch, logits, forms } = this.#loaded;
    return this.#onKernelsOf(form, async () => {
      const meter = this.#backend.meter();
      try {
        const outcome = await outcomeOf(pass, forms[form], logits, batch.labels[0]);
        return { ...outcome, peakBytes: meter.peakBytes };
      } finally {
        meter.stop();
      }
    });
  }

  time(pass: PassName, form: FormName): Promise<number> {
    const { logits, forms } = this.#loaded;
    return this.#onKernelsOf(form, () => this.#clock(`${pass} ${form}`, passWork(pass, forms[form], logits)));
  }

  timeCopy(): Promise<number> {
    const { copier } = this.#loaded;
    return this.#clock("copy", { start: copier.copy, finish: copier.finish });
  }

  async unload(): Promise<void> {
    this.#batch?.copier.dispose();
    this.#batch?.logits.dispose();
    this.#batch = null;
  }

  async heapGrowth(shape: Shape): Promise<OfForms<number> | null> {
    const { name, heapBytes } = this.#backend;
    if (heapBytes === null) return null;
    const batch = randomBatch(shape);
    const grown: [FormName, number][] = [];
    for (const form of formNamesOn(name)) {
      await restart(this.#backend);
      const logits = this.#placed(batch);
      const before = heapBytes();
      await this.#onKernelsOf(form, () => runPass("forwardAndBackward", formsOf(batch)[form], logits));
      grown.push([form, heapBytes() - before]);
      logits.dispose();
    }
    return Object.fromEntries(grown);
  }

  async loadCompositions(shape: Shape): Promise<Readonly<Record<CompositionName, KernelCounts>>> {
    const batch = randomBatch(shape);
    const logits = this.#placed(batch);
    const compositions = compositionsOf(batch);
    this.#compositions = { logits, compositions };
    this.#clock = this.#newClock();
    const counted: [CompositionName, KernelCounts][] = [];
    for (const name of compositionNames) {
      const given = { ...compositions.of[name], free: ["Reshape", "Identity"] };
      // It warms up the calls that are timed.
      counted.push([name, await countKernels(this.#backend, given, logits)]);
    }
    return Object.fromEntries(counted) as Record<CompositionName, KernelCounts>;
  }

  timeComposition(name: CompositionName): Promise<number> {
    if (this.#compositions === null) throw new Error("no compositions are loaded");
    const { logits, compositions } = this.#compositions;
    return this.#clock(name, passWork("forwardAndBackward", compositions.of[name].form, logits));
  }

  async unloadCompositions(): Promise<void> {
    this.#compositions?.compositions.dispose();
    this.#compositions?.logits.dispose();
    this.#compositions = null;
  }

  get #loaded(): LoadedBatch {
    if (this.#batch === null) throw new Error("no batch is loaded");
    return this.#batch;
  }

  /** The logits where the backend computes; on a GPU as an op's result, as the last layer's would be. */
  #placed({ shape, logits }: HostBatch): tf.Tensor2D {
    return tf.tidy(() => {
      const uploaded = tf.tensor2d(logits, [shape.rows, shape.classes]);
      return this.#backend.device === null ? uploaded : tf.add(uploaded, 0);
    });
  }

  async #onKernelsOf<T>(form: FormName, run: () => Promise<T>): Promise<T> {
    if (this.#kernels === null || !isStock(form)) return run();
    this.#kernels.useStock();
    try {
      return await run();
    } finally {
      this.#kernels.useOurs();
    }
  }
}

/** Runs a pass, and reads its loss. */
export function passWork(pass: PassName, form: Form, logits: tf.Tensor2D): Work {
  let last: tf.Scalar | null = null;
  return {
    start: () => {
      last?.dispose();
      last = startPass(pass, form, logits);
    },
    finish: async () => {
      if (last !== null) await readNumber(last);
      last = null;
    },
  };
}
