import { readFile } from "node:fs/promises";
import process from "node:process";
import { text } from "node:stream/consumers";
import { lossFromJSON } from "../json/lossJSON.ts";
import { LossError } from "../loss/error.ts";
import { show } from "../loss/show.ts";
import { print } from "./print.ts";

/** The options of `lossmith explain`, as its --help says. */
export interface ExplainFileOptions {
  readonly step: number;
  readonly json?: boolean;
}

/** Explains the loss that a file holds as JSON. */
export async function explainFile(path: string, { step, json = false }: ExplainFileOptions): Promise<void> {
  const loss = lossFromJSON(parsed(await contentOf(path), path));
  // It counts what the backend's kernels read, and TensorFlow.js takes a while to load.
  const { explain } = await import("../compiler/explain.ts");
  const explanation = explain(loss, { step });
  await print(json ? `${JSON.stringify({ loss: show(loss), step, explanation })}\n` : `${explanation}\n`);
}

async function contentOf(path: string): Promise<string> {
  if (path === "-") return text(process.stdin);
  return readFile(path, "utf8").catch((cause: unknown) => {
    throw new LossError(path, `it cannot be read (${messageOf(cause)})`, "Name a file that lossToJSON wrote");
  });
}

function parsed(content: string, path: string): unknown {
  try {
    return JSON.parse(content);
  } catch (cause) {
    throw new LossError(path, `it is no JSON (${messageOf(cause)})`, "Name a file with what lossToJSON gives");
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
