/**
 * Runs `start`, and rejects when a worker fails that it makes meanwhile. tensorflow.js waits for ever for threads that do
 * not start, as where a bundler has minified its code, whose text is what they run.
 */
export async function unlessWorkerFails<T>(start: () => T | Promise<T>): Promise<T> {
  const globals = globalThis as { Worker?: typeof Worker };
  const { Worker: Original } = globals;
  if (Original === undefined) return await start();
  let fail: (cause: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  globals.Worker = class extends Original {
    constructor(...given: ConstructorParameters<typeof Worker>) {
      super(...given);
      this.addEventListener("error", ({ message }) => fail(new Error(`a thread ended: ${message}`)));
    }
  };
  try {
    return await Promise.race([start(), failed]);
  } finally {
    globals.Worker = Original;
  }
}
