/**
 * Which row statistics run on the current backend: the fused kernel that was made for it, where it reads the views and
 * its self-test passed; else the portable one.
 */
import * as tf from "@tensorflow/tfjs";
import { cpuHost } from "./cpu/rowStatistics.ts";
import { moduleKernel } from "./module/rowStatistics.ts";
import { portableRowStatistics } from "./portable.ts";
import type { RowStatisticsKernel, ViewInput } from "./rowStatistics.ts";
import { faultOf, faultOfNow } from "./selfTest.ts";
import { wasmHost } from "./wasm/rowStatistics.ts";
import { webglRowStatistics } from "./webgl/rowStatistics.ts";
import { webgpuRowStatistics } from "./webgpu/rowStatistics.ts";

export interface Choice {
  readonly kernel: RowStatisticsKernel;
  /** Why it is not the fused kernel of the backend; null if it is. */
  readonly because: string | null;
}

interface Fused {
  readonly kernel: RowStatisticsKernel;
  /** Whether the host reads the device's tensors without waiting, so that the self-test can be run at first use. */
  readonly testsItself: boolean;
}

const fused: Readonly<Record<string, Fused>> = {
  cpu: { kernel: moduleKernel(cpuHost), testsItself: true },
  wasm: { kernel: moduleKernel(wasmHost), testsItself: true },
  webgpu: { kernel: webgpuRowStatistics, testsItself: false },
  webgl: { kernel: webglRowStatistics, testsItself: true },
};

/** Rows of these lengths take different ways through the kernels: each is tested by a row of its kind. */
const shapeClasses = [
  { atMost: 16, tested: 5 },
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
  const known = faultsOf(tf.backend());
  const tested = testedClasses(classes);
  if (!known.has(tested)) {
    if (!testsItself)
      return portable(`the kernel for ${name} is tested by useBackend("${name}"), which was not called`);
    note(
      name,
      known,
      tested,
      caught(() => faultOfNow(kernel, tested)),
    );
  }
  const fault = known.get(tested) ?? null;
  return fault === null ? { kernel, because: null } : portable(`the kernel for ${name} does not work here: ${fault}`);
}

/** Runs the self-test of the current backend's kernel, for rows of every kind; it is used from then on if it passes. */
export async function testKernel(): Promise<void> {
  const name = tf.getBackend();
  if (!Object.hasOwn(fused, name)) return;
  const { kernel } = fused[name];
  const known = faultsOf(tf.backend());
  for (const { tested } of shapeClasses) {
    const fault = await faultOf(kernel, tested).catch(messageOf);
    note(name, known, tested, fault);
  }
}

type Faults = Map<number, string | null>;

const faults = new WeakMap<object, Faults>();

/** The results of the self-tests on a backend. */
function faultsOf(backend: object): Faults {
  const known = faults.get(backend) ?? new Map<number, string | null>();
  faults.set(backend, known);
  return known;
}

function testedClasses(classes: number): number {
  return shapeClasses.find(({ atMost }) => classes <= atMost)?.tested ?? 1;
}

function note(name: string, known: Faults, tested: number, fault: string | null): void {
  known.set(tested, fault);
  if (fault === null) return;
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
