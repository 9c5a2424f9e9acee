/** tensorflow.js's webgpu backend in Deno, Bun, Node and browsers. */
import * as tf from "@tensorflow/tfjs";
import { registerWebGPUKernels } from "../../kernels/webgpu/register.ts";
import { LossError } from "../../loss/error.ts";
import { replaceBackend, startedBackend } from "../engine.ts";
import type { Adapter, BackendOptions } from "../options.ts";
import { findAdapter, where } from "./adapter.ts";
import { makeBackend } from "./device.ts";
import { atExit } from "./exit.ts";
import { type Guarded, guard } from "./guard.ts";
import { mendPrograms } from "./programs.ts";

interface Running extends Guarded {
  readonly adapter: Adapter;
  /** Dawn's device computes as long as its entry point is held. */
  readonly gpu: GPU;
}

/** As tensorflow.js gives it where it registers webgpu itself. */
const priority = 3;

let running: Running | null = null;

/** Makes webgpu the backend, with the device that it has if that is not lost; rejects with what is missing. */
export async function startWebGPU(options: BackendOptions, takesSoftware: boolean): Promise<Adapter> {
  if (running === null || running.ending() !== null || startedBackend("webgpu") !== running.backend) {
    running = await makeRunning(options, takesSoftware);
    atExit(destroyRunning);
  }
  refuseSoftware(running.adapter, takesSoftware);
  await tf.setBackend("webgpu");
  return running.adapter;
}

/** Removes the backend, once what is being read has been read, and frees its device. */
export async function disposeWebGPU(): Promise<void> {
  const ending = running;
  running = null;
  await ending?.settle();
  replaceBackend("webgpu", undefined);
  ending?.destroy();
}

/** Dawn crashes where Node ends by process.exit() with work in flight, unless the device is destroyed first. */
function destroyRunning(): void {
  running?.destroy();
}

async function makeRunning(options: BackendOptions, takesSoftware: boolean): Promise<Running> {
  const found = await findAdapter(options);
  refuseSoftware(found.description, takesSoftware);
  const backend = await makeBackend(found);
  registerWebGPUKernels();
  mendPrograms(backend);
  const guarded = guard(backend);
  const ended = running?.ending()?.what ?? "useBackend put one in its place that has all of the adapter's limits";
  replaceBackend("webgpu", { factory: () => guarded.backend, priority }, ended);
  running?.destroy();
  return { ...guarded, adapter: found.description, gpu: found.gpu };
}

function refuseSoftware({ isSoftware, description }: Adapter, takesSoftware: boolean): void {
  if (!isSoftware || takesSoftware) return;
  throw new LossError(
    where,
    `the only adapter is a software one (${description}), slower than wasm`,
    `Install the GPU's driver, or ask for it by name: ${where}`,
  );
}
