/** What tests run in the page on tensorflow.js's webgpu backend, with subgroups and without. */
import * as tf from "@tensorflow/tfjs";
import { chooseKernel } from "../../lib/kernels/choose.ts";
import type { RowStatisticsKernel } from "../../lib/kernels/rowStatistics.ts";
import { hasSubgroups } from "../../lib/kernels/webgpu/program.ts";
import { webgpuKernel } from "../../lib/kernels/webgpu/rowStatistics.ts";
import { compile, crossEntropy, evaluate, evaluateGradient, explain, mean, pipe, useBackend } from "../../mod.ts";
import { areRight, programCases, runProgramCases } from "../support/webgpuPrograms.ts";
import { awaitKernel, compare, newReport, type Report } from "./checkKernel.ts";
import { confidentCases, gaps, gradientFault } from "./confidentRows.ts";
import {
  everyKindOfRow,
  filled,
  normal,
  plainView,
  type RowCase,
  randomCase,
  randomCotangents,
  randomNumbers,
  statistics,
  vocabularyRows,
} from "./rowCases.ts";

interface Variant {
  readonly subgroups: boolean;
  /** In how many parts rows are read. */
  readonly parts: number;
}

function kernelOf({ subgroups, parts }: Variant): RowStatisticsKernel {
  return webgpuKernel({ partsOf: () => parts, subgroups });
}

let started: Promise<unknown> | null = null;

function startOnce(): Promise<unknown> {
  started ??= useBackend("webgpu");
  return started;
}

async function check(kernel: RowStatisticsKernel, given: RowCase, random: () => number, report: Report): Promise<void> {
  const cotangents = randomCotangents(given, random);
  compare(await awaitKernel(kernel, given, cotangents), given, cotangents, report, 2e-6);
}

/** What the device has, and which kernel rows of so many classes get. */
export async function start({ classes }: { classes: number }): Promise<{
  readonly subgroups: boolean;
  readonly size: number | undefined;
  readonly kernel: string;
  readonly explained: string;
}> {
  await startOnce();
  const { info } = (await navigator.gpu.requestAdapter()) as GPUAdapter;
  return {
    subgroups: hasSubgroups(),
    size: (info as { readonly subgroupMaxSize?: number }).subgroupMaxSize,
    kernel: chooseKernel([], classes).kernel.name,
    explained: explain(crossEntropy),
  };
}

export async function randomCases(variant: Variant & { from: number; count: number }): Promise<Report> {
  await startOnce();
  const report = newReport();
  for (let seed = variant.from; seed < variant.from + variant.count; seed++) {
    const random = randomNumbers(seed);
    // Long enough that a row has a workgroup to itself, but for some.
    const classes = random() < 0.2 ? 20 + Math.floor(100 * random()) : 520 + Math.floor(1500 * random());
    await check(kernelOf(variant), randomCase(1 + Math.floor(4 * random()), classes, seed), random, report);
  }
  return report;
}

export async function everyKind(variant: Variant): Promise<Report> {
  await startOnce();
  const report = newReport();
  for (const classes of [20, 300, 513, 1000, 4097]) {
    const random = randomNumbers(classes);
    for (const given of everyKindOfRow(classes, 2, random)) await check(kernelOf(variant), given, random, report);
  }
  return report;
}

export async function largeVocabulary(variant: Variant): Promise<Report> {
  await startOnce();
  const report = newReport();
  const random = randomNumbers(50_257);
  const given = { ...vocabularyRows(50_257, random), views: [{ ...plainView, wanted: statistics }] };
  await check(kernelOf(variant), given, random, report);
  return report;
}

/** What is wrong with the gradients of confident rows. Of the cases some will do: a browser is slow to compile their programs. */
export async function confidentGradients(variant: Variant & { classes: number }): Promise<readonly string[]> {
  await startOnce();
  const faults: string[] = [];
  for (const gap of gaps) {
    for (const confident of confidentCases(variant.classes, gap).filter((_, i) => i % 4 === 0)) {
      const outcome = await awaitKernel(kernelOf(variant), confident.given, confident.cotangents);
      const fault = gradientFault(confident, outcome, 2e-6);
      if (fault !== null) faults.push(fault);
    }
  }
  return faults;
}

/** Cross entropy as it is compiled, against the reference: the errors of the loss and of its gradient. */
export async function crossEntropyStep(_: null): Promise<{ readonly value: number; readonly gradient: number }> {
  await startOnce();
  const [rows, classes] = [4, 1200];
  const random = randomNumbers(5);
  const logits = Array.from({ length: rows }, () => [...filled(classes, () => 3 * normal(random))]);
  const labels = logits.map(() => Math.floor(classes * random()));
  const loss = pipe(crossEntropy, mean);
  const compiled = compile(loss);
  const { value, grad } = tf.valueAndGrad((z: tf.Tensor) => compiled({ logits: z as tf.Tensor2D, labels }))(
    tf.tensor2d(logits),
  );
  const [of] = await value.data();
  const gradient = await grad.data();
  const exact = (evaluateGradient(loss, { logits, labels }) as number[][]).flat();
  return {
    value: Math.abs(of - (evaluate(loss, { logits, labels }) as number)),
    gradient: exact.reduce((most, x, i) => Math.max(most, Math.abs(gradient[i] - x)), 0),
  };
}

/** The programs of tensorflow.js that are wrong although they were corrected. */
export async function wrongPrograms(_: null): Promise<readonly string[]> {
  await startOnce();
  tf.env().set("WEBGPU_CPU_FORWARD", false);
  try {
    const outcomes = await runProgramCases();
    return programCases.filter((given, i) => !areRight(given, outcomes[i])).map(({ name }) => name);
  } finally {
    tf.env().set("WEBGPU_CPU_FORWARD", true);
  }
}

/** The softmax of the last of so many equal rows. */
export async function lastSoftmax({ rows }: { rows: number }): Promise<readonly number[]> {
  await startOnce();
  const result = tf.tidy(() => {
    const logits = tf.tile(tf.tensor2d([0, Math.log(3)], [1, 2]), [rows, 1]);
    return tf.slice(tf.softmax(logits), [rows - 1, 0], [1, 2]);
  });
  const values = [...(await result.data())];
  result.dispose();
  return values;
}
