/**
 * What goes wrong in silence on tensorflow.js's webgpu backend, provoked: each function returns the message of the error
 * that says so. They are run one after the other, by Bun, Deno, Node and Chromium. Starting compiles many programs, so
 * that those which need no backend follow each other, and the last one starts it again for all of them.
 */
import * as tf from "@tensorflow/tfjs";
import { disposeBackend, useBackend } from "lossmith/runtime";

async function messageOf(body) {
  try {
    return `no error: ${await body()}`;
  } catch (error) {
    return String(error?.message ?? error);
  }
}

/** Twos, computed on the device: small tensors that the host knows are added on the host. */
const onDevice = () => tf.tidy(() => tf.add(tf.ones([5000]), 1));

async function works() {
  const twos = onDevice();
  const right = (await twos.data()).every((x) => x === 2);
  twos.dispose();
  return right;
}

/** Runs `body` where `navigator.gpu` is another. */
async function withGpu(gpu, body) {
  const navigator = globalThis.navigator ?? {};
  const added = globalThis.navigator === undefined;
  if (added) Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
  try {
    return await body();
  } finally {
    delete navigator.gpu;
    if (added) delete globalThis.navigator;
  }
}

/** The entry point that `useBackend` takes here. */
async function realGpu() {
  if (globalThis.navigator?.gpu) return globalThis.navigator.gpu;
  // Not for bundlers to look for.
  const [dawn, bunDawn] = ["webgpu", "bun-webgpu"];
  const module = await import(/* @vite-ignore */ dawn).catch(() => null);
  return module === null ? (await import(/* @vite-ignore */ bunDawn)).createGPUInstance() : module.create([]);
}

export async function start() {
  const { backend, passedOver, adapter } = await useBackend("webgpu", { report: true });
  return { backend, passedOver, adapter };
}

/** The device has what the adapter offers, and times kernels where it can. */
export async function offer() {
  const { device } = tf.backend();
  const adapter = await (await realGpu()).requestAdapter({ powerPreference: "high-performance" });
  const names = ["maxBufferSize", "maxStorageBufferBindingSize", "maxComputeWorkgroupStorageSize"];
  const { kernelMs } = await tf.time(() => onDevice());
  return {
    limits: names.map((name) => device.limits[name]),
    offered: names.map((name) => adapter.limits[name]),
    hasTimestamps: device.features.has("timestamp-query"),
    offersTimestamps: adapter.features.has("timestamp-query"),
    kernelMs: typeof kernelMs === "number" ? kernelMs : JSON.stringify(kernelMs),
  };
}

export async function tooLarge() {
  const size = Math.ceil(tf.backend().device.limits.maxStorageBufferBindingSize / 4) + 1;
  const message = await messageOf(() => tf.tidy(() => tf.zeros([size]).add(1)));
  return { message, works: await works() };
}

export async function invalidProgram() {
  const program = {
    variableNames: [],
    outputShape: [4],
    workgroupSize: [4, 1, 1],
    dispatchLayout: { x: [0] },
    dispatch: [1, 1, 1],
    shaderKey: "invalid",
    getUserCode: () => "fn main(index : i32) { result[index] = noSuchFunction(index); }",
  };
  const info = tf.backend().runWebGPUProgram(program, [], "float32");
  const tensor = tf.engine().makeTensorFromTensorInfo(info);
  const message = await messageOf(() => tensor.data());
  tensor.dispose();
  return { message, works: await works() };
}

export async function readWithoutWaiting() {
  const tensor = onDevice();
  const message = await messageOf(() => tensor.dataSync());
  tensor.dispose();
  // What was never on the device alone can be read.
  const [one] = tf.tensor1d([1, 2]).dataSync();
  return { message, works: one === 1 && (await works()) };
}

/** A device that somebody else destroys is lost: the next operation, the next read and the read in flight say so. */
export async function lostDevice() {
  const tensor = onDevice();
  const inFlight = messageOf(() => tf.tidy(() => tf.add(onDevice(), 1)).data());
  const { device } = tf.backend();
  device.destroy();
  await device.lost;
  const results = {
    inFlight: await inFlight,
    read: await messageOf(() => tensor.data()),
    operation: await messageOf(() => onDevice()),
  };
  await useBackend("webgpu");
  Object.assign(results, { readLater: await messageOf(() => tensor.dataSync()) });
  tensor.dispose();
  return { ...results, isNew: tf.backend().device !== device, works: await works() };
}

let freedDevice = null;

/** The device is freed, and its tensors say so. */
export async function disposed() {
  const { device } = tf.backend();
  freedDevice = device;
  const tensor = onDevice();
  const inFlight = tf.tidy(() => tf.add(onDevice(), 1)).data();
  await disposeBackend();
  const { reason } = await device.lost;
  const results = {
    reason,
    inFlight: (await inFlight).every((x) => x === 3),
    message: await messageOf(() => tensor.data()),
    readSync: await messageOf(() => tensor.dataSync()),
  };
  await disposeBackend("webgpu");
  return results;
}

/** A backend that runs is kept, with its tensors. */
export async function startedTwice() {
  const { device } = tf.backend();
  const tensor = onDevice();
  await useBackend("cpu");
  await useBackend("webgpu");
  const isKept = tf.backend().device === device && (await tensor.data())[0] === 2;
  tensor.dispose();
  return isKept;
}

const nullAdapter = {
  info: { vendor: "", architecture: "", device: "null-backend", description: "" },
  limits: {},
  features: new Set(),
};

/** Nothing runs when an adapter is looked for. */
export async function onlyNullAdapter() {
  await useBackend("cpu");
  const message = await withGpu({ requestAdapter: async () => nullAdapter }, () =>
    messageOf(() => useBackend("webgpu")),
  );
  // What was current remains so.
  return { message, remains: tf.getBackend() };
}

/** A device whose work never happens: all it computes is zeros. */
export async function zeros() {
  await useBackend("cpu");
  const gpu = await realGpu();
  const broken = {
    requestAdapter: async (options) => {
      const adapter = await gpu.requestAdapter(options);
      return {
        info: adapter.info,
        limits: adapter.limits,
        features: adapter.features,
        requestDevice: async (descriptor) => {
          const device = await adapter.requestDevice(descriptor);
          Object.defineProperty(device.queue, "submit", { value: () => undefined });
          return device;
        },
      };
    },
  };
  const message = await withGpu(broken, () => messageOf(() => useBackend("webgpu")));
  const remains = tf.getBackend();
  await disposeBackend("webgpu");
  return { message, remains };
}

/** After all of that the next start makes a new device. */
export async function startedAgain() {
  await useBackend("webgpu");
  return { isNew: tf.backend().device !== freedDevice, works: await works() };
}
