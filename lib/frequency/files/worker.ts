/** A worker that counts parts of a corpus, one after the other, as it is sent them. */
import { parentPort, workerData } from "node:worker_threads";
import { LossError } from "../../loss/error.ts";
import { load } from "./countFiles.ts";
import { countPart } from "./countPart.ts";
import type { LoadedTokenizer } from "./loadTokenizer.ts";
import type { CorpusPart } from "./parts.ts";
import type { WorkerMessage, WorkerStart } from "./workers.ts";

const { tokenizer: named, settings } = workerData as WorkerStart;
const say = (message: WorkerMessage): void => parentPort?.postMessage(message);

const refused = (error: unknown): void => {
  if (error instanceof LossError) {
    const { where, what, remedy } = error;
    say({ kind: "refused", where, what, remedy });
  } else {
    say({ kind: "failed", message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
};

const loading: Promise<LoadedTokenizer | null> = load(named);
parentPort?.on("message", (part: CorpusPart) => {
  loading
    .then((tokenizer) => countPart(part, tokenizer, settings, (done) => say({ kind: "progress", ...done })))
    .then((counts) => say({ kind: "counted", counts }))
    .catch(refused);
});
loading.then(() => say({ kind: "ready" })).catch(refused);
