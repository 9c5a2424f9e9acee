import { Worker } from "node:worker_threads";
import { LossError } from "../../loss/error.ts";
import type { CorpusCounts } from "../corpusCounts.ts";
import { mergeCounts } from "../mergeCounts.ts";
import type { NamedTokenizer } from "./countFiles.ts";
import type { CorpusSettings, OnProgress } from "./countPart.ts";
import type { CorpusPart } from "./parts.ts";

/** What a worker is started with. */
export interface WorkerStart {
  readonly tokenizer: NamedTokenizer | null;
  readonly settings: CorpusSettings;
}

/** What a worker says: it is done with a part and wants another, or what stopped it. */
export type WorkerMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "progress"; readonly bytes: number; readonly tokens: number }
  | { readonly kind: "counted"; readonly counts: CorpusCounts }
  | { readonly kind: "refused"; readonly where: string; readonly what: string; readonly remedy: string }
  | { readonly kind: "failed"; readonly message: string };

/** Counts parts by several workers, each of which takes the next part when it is done with one. */
export async function countInWorkers(
  parts: readonly CorpusPart[],
  count: number,
  tokenizer: NamedTokenizer | null,
  settings: CorpusSettings,
  onProgress: OnProgress,
  signal: AbortSignal | undefined,
): Promise<CorpusCounts> {
  // As source it is TypeScript, in the build JavaScript.
  const script = new URL(`./worker.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url);
  const start: WorkerStart = { tokenizer, settings };
  const workers = Array.from({ length: count }, () => new Worker(script, { workerData: start }));
  const left = [...parts];
  let sum: CorpusCounts | null = null;
  const run = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      const next = (): void => {
        const part = left.shift();
        if (part === undefined) resolve();
        else worker.postMessage(part);
      };
      worker.on("message", (message: WorkerMessage) => {
        switch (message.kind) {
          case "ready":
            next();
            break;
          case "progress":
            onProgress(message);
            break;
          case "counted":
            sum = sum === null ? message.counts : mergeCounts(sum, message.counts);
            next();
            break;
          case "refused":
            reject(new LossError(message.where, message.what, message.remedy));
            break;
          case "failed":
            reject(new Error(message.message));
        }
      });
      worker.on("error", reject);
      worker.on("exit", (code) => reject(new Error(`a worker ended with the status ${code}`)));
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  try {
    await Promise.all(workers.map(run));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return sum as unknown as CorpusCounts;
}
