/**
 * Which row statistics run on the current backend: the fused kernel that was made for it, where it reads the views and
 * its self-test passed; else the portable one.
 */
import * as tf from "@tensorflow/tfjs";
import { cpuHost } from "./cpu/rowStatistics.ts";
import { moduleKernel } from "./module/rowStatistics.ts";
import { portableRowStatistics } from "./portable.ts";
import type { RowStatisticsKernel, ViewInput } from "./rowStatistics.ts";
import { faultOf } from "./selfTest.ts";
import { wasmHost } from "./wasm/rowStatistics.ts";

export interface Choice {
  readonly kernel: RowStatisticsKernel;
  /** Why it is not the fused kernel of the backend; null if it is. */
  readonly because: string | null;
}

const fused: Readonly<Record<string, RowStatisticsKernel>> = {
  cpu: moduleKernel(cpuHost),
  wasm: moduleKernel(wasmHost),
};

/** Rows of these lengths take different ways through the kernels: each is tested by a row of its kind. */
const shapeClasses = [
  { atMost: 16, tested: 5 },
  { atMost: Number.POSITIVE_INFINITY, tested: 1031 },
];

export function chooseKernel(
  views: readonly Pick<ViewInput, "of" | "cap" | "bias">[],
  classes: number = Number.POSITIVE_INFINITY,
): Choice {
  const portable = (because: string): Choice => ({ kernel: portableRowStatistics, because });
  const name = tf.getBackend();
  const kernel = Object.hasOwn(fused, name) ? fused[name] : undefined;
  if (kernel === undefined) return portable(`there is no fused kernel for ${name}`);
  if (!kernel.supports(views)) return portable(`the kernel for ${name} reads one plain view of a teacher's logits`);
  const fault = knownFault(name, kernel, classes);
  return fault === null ? { kernel, because: null } : portable(`the kernel for ${name} does not work here: ${fault}`);
}

const faults = new WeakMap<object, Map<number, string | null>>();

/** The result of the self-test on this backend, which is run once for a class of shapes. */
function knownFault(name: string, kernel: RowStatisticsKernel, classes: number): string | null {
  const backend = tf.backend();
  const known = faults.get(backend) ?? new Map<number, string | null>();
  faults.set(backend, known);
  const tested = shapeClasses.find(({ atMost }) => classes <= atMost)?.tested ?? 1;
  let fault = known.get(tested);
  if (fault === undefined) {
    fault = testKernel(kernel, tested);
    known.set(tested, fault);
    if (fault !== null) {
      console.warn(
        `lossmith: the fused kernel for ${name} does not work here (${fault}); slower ordinary ops take its place.`,
      );
    }
  }
  return fault;
}

function testKernel(kernel: RowStatisticsKernel, classes: number): string | null {
  try {
    return faultOf(kernel, classes);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
