/** Row statistics in the wasm backend's own memory: nothing is copied. */
import * as tf from "@tensorflow/tfjs";
import { type Address, encodeBlock, scratchBytes } from "../module/block.ts";
import type { ModuleHost } from "../module/rowStatistics.ts";
import type { WasmBackend } from "./backend.ts";
import { addressOf, moduleOn } from "./module.ts";

export const wasmHost: ModuleHost = {
  name: "wasm",
  empty: (shape) => {
    const { dataId } = currentBackend().makeOutput(shape, "float32");
    return tf.engine().makeTensorFromDataId(dataId, shape, "float32");
  },
  memoryOf: (tensor) => currentBackend().typedArrayFromHeap(tensor),
  run: (pass, _rows, classes, callOf) => {
    const backend = currentBackend();
    const scratch = backend.makeOutput([scratchBytes(classes) / 4 + alignment / 4], "float32");
    const at = (tensor: tf.TensorInfo | null): Address => addressOf(backend, tensor);
    const aligned = Math.ceil(at(scratch) / alignment) * alignment;
    const words = encodeBlock(callOf({ rows: at, table: at, output: at, scratch: aligned }));
    const block = backend.makeOutput([words.length], "int32");
    // Making a tensor may move the others' views, not the others.
    backend.typedArrayFromHeap(block).set(words);
    moduleOn(backend)[pass](at(block));
    backend.disposeData(block.dataId);
    backend.disposeData(scratch.dataId);
  },
};

const alignment = 16;

function currentBackend(): WasmBackend {
  return tf.backend() as WasmBackend;
}
