/** The benchmark of a GPU: progress goes to stderr, tables to stdout, numbers into bench/results. */
import { writeFileSync } from "node:fs";
import process from "node:process";
import * as tf from "@tensorflow/tfjs";
import { webgpuBackend } from "../backends/webgpu.ts";
import { runMain } from "../commandLine.ts";
import { LocalPlace } from "../localPlace.ts";
import { describeMachine, thisMachine } from "../machine.ts";
import { measureBackend, type Scope, stagesOf } from "../measure.ts";
import { gpuUsage, type Options } from "../options.ts";
import { progressOver } from "../progress.ts";
import { asJson, saveResult } from "../resultFiles.ts";
import { shapeTitle, tablesOf } from "../resultTables.ts";
import { scopeOf } from "../scope.ts";
import { renderText } from "../tables.ts";
import { type Adapter, findAdapter, slugOf } from "./adapter.ts";
import { measureDeviceTimes } from "./deviceTimes.ts";
import { bytesOf, doubtfulShapes, type GpuResults, splitByBinding } from "./gpuResults.ts";
import { gpuTablesOf } from "./gpuTables.ts";
import { nanosecondsPerTick } from "./timestamps.ts";

async function benchmark(options: Options, adapter: Adapter): Promise<GpuResults> {
  const machine = thisMachine(null);
  const place = await LocalPlace.start("webgpu");
  const { device } = webgpuBackend();
  const largest = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const asked = scopeOf(options);
  const { fitting, tooLarge } = splitByBinding(asked.shapes, largest);
  const compositionShapes = splitByBinding(asked.compositionShapes, largest).fitting;
  const scope: Scope = { ...asked, shapes: fitting, compositionShapes };
  const tick = await nanosecondsPerTick(device);
  const progress = progressOver(stagesOf(scope) * (tick === null ? 1 : 2));
  try {
    const { plain, compositions } = await measureBackend("webgpu", place, scope, null, progress);
    const deviceTimes = tick === null ? null : await measureDeviceTimes(scope, tick, progress);
    return { machine, adapter, device: deviceTimes, tooLarge, backends: [plain], compositions };
  } finally {
    progress.end();
  }
}

/** What is to be known before the tables are read. */
function notesOf({ adapter, device, tooLarge, machine, backends }: GpuResults): readonly string[] {
  const { vendor, architecture, device: model, description } = adapter;
  const notes = [
    describeMachine(machine),
    `GPU: ${backends[0].device} (vendor ${vendor || "–"}, architecture ${architecture || "–"}, device ${model || "–"}, ` +
      `description ${description || "–"}); ${backends[0].runtime}`,
  ];
  if (adapter.isSoftware) notes.push("software driver: these numbers say nothing of a GPU");
  if (device === null) notes.push("The device has no timestamps: wall times alone.");
  else if (device.nanosecondsPerTick !== 1) {
    const tick = device.nanosecondsPerTick.toPrecision(3);
    notes.push(`The timestamps are no nanoseconds: by the wall clock a tick is ${tick} ns, which device times are in.`);
  }
  for (const shape of doubtfulShapes(device?.cases ?? [])) {
    notes.push(`${shapeTitle(shape)}: device times exceed wall times; do not trust this driver's timestamps there.`);
  }
  for (const shape of tooLarge) {
    notes.push(`Without ${shapeTitle(shape)}: ${bytesOf(shape)} bytes are more than the device binds at once.`);
  }
  return notes;
}

async function run(options: Options): Promise<void> {
  // Without it tensorflow.js advertises its Node package.
  tf.enableProdMode();
  const adapter = await findAdapter().catch((error: Error) => error);
  if (adapter instanceof Error) {
    process.stderr.write(`bench: ${adapter.message}\n`);
    process.exitCode = 1;
    return;
  }
  const results = await benchmark(options, adapter);
  for (const note of notesOf(results)) console.log(note);
  const show = ({ title, table }: ReturnType<typeof tablesOf>[number]): void =>
    console.log(`\n${title}\n\n${renderText(table)}`);
  gpuTablesOf(results).forEach(show);
  console.log("\nThe tables from here on have wall times, as those of the other backends.");
  tablesOf(results).forEach(show);
  const isWhole = !options.quick && options.shape === null;
  if (options.out !== null) writeFileSync(options.out, asJson(results));
  else if (isWhole && !adapter.isSoftware) {
    saveResult(`gpu-${slugOf(results.backends[0].device ?? "unnamed")}.json`, asJson(results));
  }
}

await runMain(run, gpuUsage, ["webgpu"]);
