/** The memory that a form takes for the loss and the gradient of the logits. */
import * as tf from "@tensorflow/tfjs";
import { type MeasuredBackend, restartBackend } from "./backends.ts";
import type { HostBatch } from "./batches.ts";
import { type FormName, formNames, formsOf } from "./forms.ts";
import { LiveBytes } from "./liveBytes.ts";
import { runPass } from "./passes.ts";

/** Memory beside the logits, in bytes for each byte of the logits; the gradient makes it 1 at least. */
export interface Memory {
  /** The most that tensors held at once; null where live bytes are not followed. */
  readonly peakBytesPerLogitsByte: number | null;
  /** What the heap of a fresh backend grew by; null where it has none. */
  readonly heapGrowthBytesPerLogitsByte: number | null;
}

/** Runs something, and says how many bytes of tensors that it made were alive at once at most. */
export async function peakBytesOf<T>(
  { dataMap, blockOf }: MeasuredBackend,
  run: () => Promise<T>,
): Promise<{ readonly result: T; readonly peakBytes: number | null }> {
  if (dataMap === null) return { result: await run(), peakBytes: null };
  const meter = new LiveBytes(dataMap(), blockOf);
  try {
    const result = await run();
    return { result, peakBytes: meter.peak };
  } finally {
    meter.stop();
  }
}

/** How many bytes a fresh heap grows by for the loss and its gradient, for each form; null where there is no heap. */
export async function heapGrowthBytes(
  { name, heapBytes }: MeasuredBackend,
  batch: HostBatch,
): Promise<Readonly<Record<FormName, number>> | null> {
  if (heapBytes === null) return null;
  const grown: [FormName, number][] = [];
  for (const form of formNames) {
    await restartBackend(name);
    const logits = tf.tensor2d(batch.logits, [batch.shape.rows, batch.shape.classes]);
    const before = heapBytes();
    await runPass("forwardAndBackward", formsOf(batch)[form], logits);
    grown.push([form, heapBytes() - before]);
    logits.dispose();
  }
  return Object.fromEntries(grown) as Record<FormName, number>;
}
