/**
 * An output layer and its loss on the wasm backend: hidden states [N, D] and a kernel [D, V] to the value and the gradients of
 * both. TensorFlow.js's own kernels and loss, our dense form and our linear form, in turn in one run: medians, ratios, and
 * the most bytes that were held beside the inputs and their gradients; and one step on WebGPU, under Deno, where the logits are
 * above its limit. Writes them to bench/results; with --quick sizes are small, WebGPU is left out, and nothing is written; with
 * --webgpu that is measured alone.
 */
import process from "node:process";
import * as tf from "@tensorflow/tfjs";
import { compile, compileLinear, crossEntropy, ignoreIndex, pipe } from "lossmith";
import { startWasm } from "./backends/kernelSets.ts";
import { wasm } from "./backends/wasm.ts";
import { readFromDeno } from "./denoProcess.ts";
import { type Contender, interleave, type Rounds } from "./interleaved.ts";
import {
  type LinearForm,
  type LinearMeasured,
  type LinearOnWebGPU,
  type LinearResults,
  type LinearShape,
  largestShape,
  linearForms,
  linearShapes,
} from "./linearResults.ts";
import { aloneTable, formsTable } from "./linearTables.ts";
import { describeMachine, thisMachine } from "./machine.ts";
import { asJson, loadResult, saveResult } from "./resultFiles.ts";
import { wallClock } from "./stopwatch.ts";
import { renderTitledText } from "./tables.ts";

const quick = process.argv.includes("--quick");
const shapes = quick ? [{ rows: 128, width: 64, classes: 8192 }] : linearShapes;
const rounds: Rounds = quick
  ? { fewest: 1, most: 3, budgetMilliseconds: 3000 }
  : { fewest: 3, most: 7, budgetMilliseconds: 60_000 };

const { useStock, useOurs } = await startWasm();

interface Problem {
  readonly hidden: tf.Tensor2D;
  readonly kernel: tf.Tensor2D;
  readonly labels: Int32Array;
  readonly half: Int32Array;
}

function problem({ rows, width, classes }: LinearShape): Problem {
  const labels = Int32Array.from({ length: rows }, (_, row) => (row * 7919) % classes);
  return {
    hidden: tf.randomNormal([rows, width], 0, 1, "float32", 1),
    kernel: tf.randomNormal([width, classes], 0, 0.05, "float32", 2),
    labels,
    half: labels.map((label, row) => (row % 2 === 0 ? label : -1)),
  };
}

type Loss = (hidden: tf.Tensor, kernel: tf.Tensor) => tf.Tensor;

/** Value and gradients, looked at and let go. */
function step(loss: Loss, { hidden, kernel }: Problem): void {
  const { value, grads } = tf.valueAndGrads(loss)([hidden, kernel]);
  value.dataSync();
  tf.dispose([value, ...grads]);
}

const data = pipe(crossEntropy, ignoreIndex(-1));
const dense = compile(data);
const linear = compileLinear(data);

const matMul = (hidden: tf.Tensor, kernel: tf.Tensor): tf.Tensor2D =>
  tf.matMul(hidden as tf.Tensor2D, kernel as tf.Tensor2D);

function lossOf(form: LinearForm, { labels, half }: Problem, oneHot: tf.Tensor | null): Loss {
  switch (form) {
    case "linear":
      return (hidden, kernel) => linear({ hidden, kernel, labels });
    case "linear, half of the rows ignored":
      return (hidden, kernel) => linear({ hidden, kernel, labels: half });
    case "dense":
      return (hidden, kernel) => dense({ logits: matMul(hidden, kernel), labels });
    case "tensorflow.js":
      return (hidden, kernel) => tf.losses.softmaxCrossEntropy(oneHot as tf.Tensor, matMul(hidden, kernel));
  }
}

async function measure(shape: LinearShape): Promise<LinearMeasured> {
  const given = problem(shape);
  const oneHot = tf.tidy(() => tf.oneHot(tf.tensor1d(given.labels, "int32"), shape.classes).toFloat());
  const run = (form: LinearForm): (() => void) => {
    const loss = lossOf(form, given, oneHot);
    return () => step(loss, given);
  };
  const withKernels = (form: LinearForm): void => (form === "tensorflow.js" ? useStock() : useOurs());
  const peakBytes: Partial<Record<LinearForm, number>> = {};
  for (const form of linearForms) {
    process.stderr.write(`  ${form}: peak\n`);
    withKernels(form);
    const meter = wasm.meter();
    run(form)();
    peakBytes[form] = meter.peakBytes - 4 * (given.hidden.size + given.kernel.size);
    meter.stop();
  }
  const contenders = linearForms.map(
    (form): Contender<LinearForm> => ({
      name: form,
      call: () => {
        process.stderr.write(`  ${form}\n`);
        withKernels(form);
        return wallClock(form, { start: run(form), finish: async () => {} });
      },
    }),
  );
  const { rounds: done, timings } = await interleave(contenders, rounds);
  useOurs();
  tf.dispose([given.hidden, given.kernel, oneHot]);
  const each = (of: (form: LinearForm) => number | undefined): Partial<Record<LinearForm, number>> =>
    Object.fromEntries(linearForms.map((form) => [form, of(form)]));
  return {
    ...shape,
    rounds: done,
    milliseconds: each((form) => timings[form]?.medianMilliseconds),
    ratios: each((form) => timings[form]?.medianRatioToFirst),
    peakBytes,
  };
}

/** One step of the linear form alone. */
async function measureLargest(
  shape: LinearShape,
): Promise<{ readonly milliseconds: number; readonly peakBytes: number }> {
  const given = problem(shape);
  const meter = wasm.meter();
  const milliseconds = await wallClock("largest", {
    start: () => step(lossOf("linear", given, null), given),
    finish: async () => {},
  });
  const peakBytes = meter.peakBytes - 4 * (given.hidden.size + given.kernel.size);
  meter.stop();
  tf.dispose([given.hidden, given.kernel]);
  return { milliseconds, peakBytes };
}

/** What no other form computes on WebGPU, under Deno. */
const onWebGPU = (): Promise<LinearOnWebGPU> => readFromDeno<LinearOnWebGPU>("./linearOnWebGPU.ts");

if (process.argv.includes("--webgpu")) {
  const saved = loadResult<LinearResults>("linear.json");
  const webgpu = await onWebGPU();
  console.log(renderTitledText(aloneTable(saved.largest, webgpu)));
  saveResult("linear.json", asJson({ ...saved, webgpu } satisfies LinearResults));
  process.exit(0);
}

const machine = thisMachine(null);
console.log(describeMachine(machine));
const measured: LinearMeasured[] = [];
for (const shape of shapes) {
  const result = await measure(shape);
  measured.push(result);
  console.log(renderTitledText(formsTable(result)));
}
if (!quick) {
  const largest = { ...largestShape, ...(await measureLargest(largestShape)) };
  const webgpu = await onWebGPU();
  console.log(renderTitledText(aloneTable(largest, webgpu)));
  saveResult("linear.json", asJson({ machine, shapes: measured, largest, webgpu } satisfies LinearResults));
}
