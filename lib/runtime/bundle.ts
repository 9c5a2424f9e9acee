import * as tf from "@tensorflow/tfjs";
import { registrationOf } from "./engine.ts";

/**
 * Loads a backend that @tensorflow/tfjs imports for its side effects alone, where they are missing: `bun build` drops
 * such imports, and keeps what is imported by its name at run time. Elsewhere there is nothing to do.
 */
export async function keepInBundle(name: "cpu" | "webgl", load: () => Promise<unknown>): Promise<void> {
  if (registrationOf(name) !== undefined && tf.getKernel("Identity", name) !== undefined) return;
  // Where tensorflow.js was installed without hoisting, the package cannot be reached from here.
  await load().catch(() => undefined);
}
