/**
 * Which row statistics run on the current backend: the fused kernel that was made for it, where it reads the views and
 * its self-test passed; else the portable one.
 */
import * as tf from "@tensorflow/tfjs";
import { cpuHost } from "./cpu/rowStatistics.ts";
import { moduleKernel } from "./module/rowStatistics.ts";
import { portableRowStatistics } from "./portable.ts";
import type { RowStatisticsKernel, ViewInput } from "./rowStatistics.ts";
import { faultOf, faultOfNow, messageOf } from "./selfTest.ts";
import { wasmHost } from "./wasm/rowStatistics.ts";
import { webglRowStatistics } from "./webgl/rowStatistics.ts";
import { hasSubgroups } from "./webgpu/program.ts";
import { webgpuRowStatistics, webgpuWithSubgroups } from "./webgpu/rowStatistics.ts";

export interface Choice {
  readonly kernel: RowStatisticsKernel;
  /** Why it is not the fused kernel of the backend; null if it is. */
  readonly because: string | null;
}

interface Fused {
  readonly kernel: RowStatisticsKernel;
  /** Whether the host reads the device's tensors without waiting, so that the self-test can be run at first use. */
  readonly testsItself: boolean;
  /** The kernel that is preferred where it is there and passes the self-test too. */
  readonly preferred?: { readonly kernel: RowStatisticsKernel; readonly isThere: () => boolean };
}

const fused: Readonly<Record<string, Fused>> = {
  cpu: { kernel: moduleKernel(cpuHost), testsItself: true },
  wasm: { kernel: moduleKernel(wasmHost), testsItself: true },
  webgpu: {
    kernel: webgpuRowStatistics,
    testsItself: false,
    preferred: { kernel: webgpuWithSubgroups, isThere: hasSubgroups },
  },
  webgl: { kernel: webglRowStatistics, testsItself: true },
};

/** Rows of these lengths take different ways through the kernels: each is tested by a row of its kind. */
const shapeClasses = [
  { atMost: 32, tested: 5 },
  { atMost: 8191, tested: 1031 },
  { atMost: Number.POSITIVE_INFINITY, tested: 8209 },
];

export function chooseKernel(views: readonly ViewInput[], classes: number = Number.POSITIVE_INFINITY): Choice {
  const portable = (because: string): Choice => ({ kernel: portableRowStatistics, because });
  const name = tf.getBackend();
  const candidate = Object.hasOwn(fused, name) ? fused[name] : undefined;
  if (candidate === undefined) return portable(`there is no fused kernel for ${name}`);
  const { kernel, testsItself } = candidate;
  const refusal = kernel.refusal(views);
  if (refusal !== null) return portable(`of the fused kernel for ${name}: ${refusal}`);
  const known = verdictsOf(tf.backend());
  const tested = testedClasses(classes);
  if (!known.has(tested)) {
    if (!testsItself)
      return portable(`the kernel for ${name} is tested by useBackend("${name}"), which was not called`);
    const fault = caught(() => faultOfNow(kernel, tested));
    known.set(tested, fault ?? kernel);
    if (fault !== null) warn(name, fault);
  }
  const verdict = known.get(tested) ?? kernel;
  return typeof verdict === "string"
    ? portable(`the kernel for ${name} does not work here: ${verdict}`)
    : { kernel: verdict, because: null };
}

/** Runs the self-test of the current backend's kernels, for rows of every kind; what passes is used from then on. */
export async function testKernel(): Promise<void> {
  const name = tf.getBackend();
  if (!Object.hasOwn(fused, name)) return;
  const { kernel, preferred } = fused[name];
  const known = verdictsOf(tf.backend());
  const faultIn = (candidate: RowStatisticsKernel, tested: number): Promise<string | null> =>
    faultOf(candidate, tested).catch(messageOf);
  for (const { tested } of shapeClasses) {
    const fault = await faultIn(kernel, tested);
    if (fault !== null) warn(name, fault);
    known.set(tested, fault ?? kernel);
    if (fault !== null || preferred?.isThere() !== true) continue;
    if ((await faultIn(preferred.kernel, tested)) === null) known.set(tested, preferred.kernel);
  }
}

/** For rows of each kind the kernel that passed its self-test, or what was wrong. */
type Verdicts = Map<number, RowStatisticsKernel | string>;

const verdicts = new WeakMap<object, Verdicts>();

/** The results of the self-tests on a backend. */
function verdictsOf(backend: object): Verdicts {
  const known = verdicts.get(backend) ?? new Map<number, RowStatisticsKernel | string>();
  verdicts.set(backend, known);
  return known;
}

function testedClasses(classes: number): number {
  return shapeClasses.find(({ atMost }) => classes <= atMost)?.tested ?? 1;
}

function warn(name: string, fault: string): void {
  console.warn(
    `lossmith: the fused kernel for ${name} does not work here (${fault}); slower ordinary ops take its place.`,
  );
}

function caught(test: () => string | null): string | null {
  try {
    return test();
  } catch (error) {
    return messageOf(error);
  }
}
