import { useBackend } from "lossmith";

/** The backends of tensorflow.js that run in every runtime. */
export const backends = ["cpu", "wasm"] as const;

/** Starts a backend for the tests of a block: `beforeAll(startBackend("wasm"))`. */
export function startBackend(name: (typeof backends)[number]): () => Promise<void> {
  return async () => {
    await useBackend(name);
  };
}
