/** Device times: what the programs of a call take on the device, without the way there and back. */
import * as tf from "@tensorflow/tfjs";
import { webgpu } from "../backends/webgpu.ts";
import { randomBatch, type Shape } from "../batches.ts";
import { compositionNames, compositionsOf } from "../compositions.ts";
import { type Form, formNamesOn, formsOf } from "../forms.ts";
import { type Contender, interleave, type Rounds } from "../interleaved.ts";
import { passWork } from "../localPlace.ts";
import type { Scope } from "../measure.ts";
import { type PassName, startPass } from "../passes.ts";
import type { Progress } from "../progress.ts";
import { callsFor, millisecondsOf, type Work } from "../stopwatch.ts";
import {
  bandwidthOf,
  type DeviceCase,
  type DeviceComposition,
  type DeviceContenderName,
  type DeviceTimes,
} from "./gpuResults.ts";
import { wideShareOf } from "./wideShare.ts";

/** Measures all of a scope on the webgpu backend, as it was started. */
export async function measureDeviceTimes(
  { shapes, compositionShapes, rounds }: Scope,
  nanosecondsPerTick: number,
  progress: Progress,
): Promise<DeviceTimes> {
  const cases: DeviceCase[] = [];
  for (const shape of shapes) {
    progress.stage(`device times, ${shape.rows} × ${shape.classes}`);
    cases.push(await measureCase(shape, nanosecondsPerTick, rounds));
  }
  const compositions: DeviceComposition[] = [];
  for (const shape of compositionShapes) {
    progress.stage(`device times, compositions, ${shape.rows} × ${shape.classes}`);
    compositions.push(await measureCompositions(shape, nanosecondsPerTick, rounds));
  }
  return { nanosecondsPerTick, cases, compositions };
}

async function measureCase(shape: Shape, nanosecondsPerTick: number, rounds: Rounds): Promise<DeviceCase> {
  const batch = randomBatch(shape);
  const logits = placed(batch.logits, shape);
  const forms = formsOf(batch);
  const copier = webgpu.copierOf(logits);
  const measurePass = async (pass: PassName) => {
    const contenders: Contender<DeviceContenderName>[] = [];
    for (const name of formNamesOn("webgpu")) {
      contenders.push(await contender(name, passCall(pass, forms[name], logits), nanosecondsPerTick));
    }
    contenders.push(await contender("copy", copier.copy, nanosecondsPerTick));
    contenders.push(await wallContender("lossmithByWall", passWork(pass, forms.lossmith, logits)));
    return interleave(contenders, rounds);
  };
  const timings = {
    forward: await measurePass("forward"),
    forwardAndBackward: await measurePass("forwardAndBackward"),
  };
  const shareOf = (pass: PassName) => wideShareOf(passCall(pass, forms.lossmith, logits), logits.size);
  const wideShares = { forward: await shareOf("forward"), forwardAndBackward: await shareOf("forwardAndBackward") };
  copier.dispose();
  logits.dispose();
  const bandwidths = {
    forward: bandwidthOf(shape, "forward", timings.forward),
    forwardAndBackward: bandwidthOf(shape, "forwardAndBackward", timings.forwardAndBackward),
  };
  return { ...shape, timings, wideShares, bandwidths };
}

async function measureCompositions(
  shape: Shape,
  nanosecondsPerTick: number,
  rounds: Rounds,
): Promise<DeviceComposition> {
  const batch = randomBatch(shape);
  const logits = placed(batch.logits, shape);
  const compositions = compositionsOf(batch);
  const contenders = [];
  for (const name of compositionNames) {
    const call = passCall("forwardAndBackward", compositions.of[name].form, logits);
    contenders.push(await contender(name, call, nanosecondsPerTick));
  }
  const timed = await interleave(contenders, rounds);
  compositions.dispose();
  logits.dispose();
  return { ...shape, ...timed };
}

/** The logits as an op's result, as the last layer's would be. */
function placed(logits: Float32Array, { rows, classes }: Shape): tf.Tensor2D {
  return tf.tidy(() => tf.add(tf.tensor2d(logits, [rows, classes]), 0));
}

function passCall(pass: PassName, form: Form, logits: tf.Tensor2D): () => void {
  return () => startPass(pass, form, logits).dispose();
}

/**
 * A contender, warm. A sample is the mean over so many calls in a row as wall times have, so that the device's clock
 * does not fall between them.
 */
async function contender<Name extends string>(
  name: Name,
  call: () => void,
  nanosecondsPerTick: number,
): Promise<Contender<Name>> {
  await deviceMilliseconds(call, 1, nanosecondsPerTick);
  const calls = callsFor(await deviceMilliseconds(call, 1, nanosecondsPerTick));
  return { name, call: () => deviceMilliseconds(call, calls, nanosecondsPerTick) };
}

/** The same by the wall clock. */
async function wallContender<Name extends string>(name: Name, work: Work): Promise<Contender<Name>> {
  const calls = callsFor(await millisecondsOf(name, work));
  return { name, call: () => millisecondsOf(name, work, calls) };
}

/** A device may start its counter anew, so that a time is negative; that is not to happen again and again. */
const mostAttempts = 5;

/**
 * The sum over a call's programs. tensorflow.js sends each in a pass of its own, with a timestamp at both ends, and takes
 * what it reads for nanoseconds.
 */
async function deviceMilliseconds(call: () => void, calls: number, nanosecondsPerTick: number): Promise<number> {
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const { kernelMs } = await tf.time(() => {
      for (let i = 0; i < calls; i++) call();
    });
    const milliseconds = ((kernelMs as number) * nanosecondsPerTick) / calls;
    if (milliseconds > 0) return milliseconds;
  }
  throw new Error(`the device's timestamps said ${mostAttempts} times that a call took no time`);
}
