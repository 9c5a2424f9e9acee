/** tensorflow.js's plain JavaScript backend: tensors are typed arrays. */
import * as tf from "@tensorflow/tfjs";
import { useBackend } from "lossmith";
import type { MeasuredBackend } from "./backend.ts";
import { type DataMap, LiveBlocks } from "./meters.ts";

interface Entry {
  readonly values: Float32Array | Int32Array | Uint8Array | null;
}

interface Backend extends tf.KernelBackend {
  readonly data: DataMap & { get(dataId: object): Entry };
}

const backend = (): Backend => tf.backend() as Backend;

export const cpu: MeasuredBackend = {
  name: "cpu",
  start: async () => {
    await useBackend("cpu");
    return null;
  },
  device: null,
  copierOf: (logits) => {
    const to = new Float32Array(logits.size);
    return {
      copy: () => to.set(backend().data.get(logits.dataId).values as Float32Array),
      finish: async () => {},
      dispose: () => {},
    };
  },
  // A slice is a view of its input's buffer, which stays alive as a whole.
  meter: () =>
    new LiveBlocks(backend().data, (entry) => {
      const { values } = entry as Entry;
      if (values === null) return { storage: entry, bytes: 0 };
      return { storage: values.buffer, bytes: values.buffer.byteLength };
    }),
  heapBytes: null,
};
