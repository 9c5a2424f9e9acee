/** PyTorch as a contender: a Python process that stays, and times one call for each line that it is sent. */
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { HostBatch } from "./batches.ts";
import type { Outcome, PassName } from "./passes.ts";

/** What a call computed and how long it took, without the way to the other process and back. */
export type TimedOutcome = Outcome & { readonly milliseconds: number };

/**
 * One thread. And the C library keeps memory that was freed, since by default it hands large blocks back to the system:
 * most of PyTorch's time would then be the clearing of fresh pages, not its kernels.
 */
const settings = {
  OMP_NUM_THREADS: "1",
  MKL_NUM_THREADS: "1",
  MALLOC_MMAP_MAX_: "0",
  MALLOC_TRIM_THRESHOLD_: String(2 ** 33),
};

/** PyTorch on one thread. */
export class Torch {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;

  constructor(python: string) {
    const script = fileURLToPath(new URL("./torchServer.py", import.meta.url));
    const env = { ...process.env, ...settings };
    this.#process = spawn(python, [script], { stdio: ["pipe", "pipe", "inherit"], env });
    this.#answers = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** Sends a batch, which the calls after it use; answers with PyTorch's version. */
  async load({ shape, logits, labels }: HostBatch): Promise<string> {
    await this.#write(`batch ${shape.rows} ${shape.classes}\n`);
    await this.#write(bytesOf(logits));
    await this.#write(bytesOf(labels));
    const { version } = await this.#answer<{ readonly version: string }>();
    return version;
  }

  async run(pass: PassName): Promise<TimedOutcome> {
    await this.#write(`${pass}\n`);
    return this.#answer<TimedOutcome>();
  }

  /** Ends the process. */
  close(): void {
    this.#process.stdin.end();
  }

  async #write(data: string | Uint8Array): Promise<void> {
    if (!this.#process.stdin.write(data)) await once(this.#process.stdin, "drain");
  }

  async #answer<T>(): Promise<T> {
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error("PyTorch's process ended without an answer");
    return JSON.parse(value) as T;
  }
}

function bytesOf(array: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** PyTorch, or null with a line that says what to install; on CI it must be there. */
export function startTorch(): Torch | null {
  const python = ["python3", "/usr/bin/python3"].find(
    (candidate) => spawnSync(candidate, ["-c", "import torch"]).status === 0,
  );
  if (python !== undefined) return new Torch(python);
  const remedy = "PyTorch is not installed (Debian: apt-get install python3-torch; else: pip install torch)";
  if (process.env["CI"] !== undefined) throw new Error(`${remedy}; on CI it must be`);
  process.stderr.write(`Without PyTorch in the comparison: ${remedy}.\n`);
  return null;
}
