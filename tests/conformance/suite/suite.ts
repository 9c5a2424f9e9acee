/** The conformance suite: what holds on every backend in every runtime. It is plain functions of the current backend. */
import type { BackendName } from "lossmith";
import { type Adapter, disposeBackend, useBackend } from "lossmith";
import { compositions } from "./compositions.ts";
import { type EdgeSizes, edges } from "./edges.ts";
import { golden } from "./golden.ts";
import { type FeatureShare, leaks } from "./leaks.ts";
import type { PartResult } from "./tally.ts";
import { exactCurve, trainedCurve, training } from "./training.ts";
import { wrongInput } from "./wrongInput.ts";

/** How much of the suite is run, and on what; a cell gets it as JSON. */
export interface SuiteOptions {
  readonly backend: BackendName;
  readonly seed: number;
  readonly compositions: number;
  /** The one draw that is run, and nothing else; null for the whole suite. */
  readonly draw: number | null;
  /** The largest error of a composition that passes. */
  readonly tolerance: number;
  readonly edges: EdgeSizes;
  /** The steps of each feature. */
  readonly steps: number;
  readonly features: FeatureShare;
  /** What comes before `--seed` in the command that tries one composition again. */
  readonly command: string;
}

export interface SuiteResult {
  readonly adapter: Adapter | null;
  readonly parts: readonly PartResult[];
}

/** Told as the suite goes on: the part that runs, and how much of it is done. */
export type Watch = (part: string, share: number) => void;

/** Starts the backend and runs the suite on it. */
export async function runSuite(options: SuiteOptions, watch: Watch): Promise<SuiteResult> {
  const { backend, seed, draw, tolerance, command } = options;
  const readsAtOnce = backend === "cpu" || backend === "wasm";
  // tensorflow.js keeps every program that it has compiled for a device: those of a soak would fill the memory.
  const renew = async (): Promise<void> => {
    if (readsAtOnce) return;
    await disposeBackend(backend);
    await useBackend(backend);
  };
  const draws = { seed, count: options.compositions, only: draw, tolerance, command };
  if (draw !== null) {
    const { adapter } = await useBackend(backend, { report: true });
    return { adapter, parts: [await compositions(draws, () => {})] };
  }
  watch("training", 0);
  await useBackend("cpu");
  const ofCpu = await trainedCurve();
  const { adapter } = await useBackend(backend, { report: true });
  const trained =
    backend === "cpu" ? training(ofCpu, exactCurve(), "in float64") : training(await trainedCurve(), ofCpu, "on cpu");
  watch("golden numbers", 0);
  const published = await golden();
  watch("wrong input", 0);
  const wrong = await wrongInput(readsAtOnce);
  const edge = await edges(options.edges, seed, (share) => watch("kernel edges", share));
  const leaked = await leaks(options.steps, options.features, (share) => watch("leaks", share));
  const composed = await compositions(draws, (share) => watch("random compositions", share), renew);
  return { adapter, parts: [published, composed, edge, wrong, leaked, trained] };
}
