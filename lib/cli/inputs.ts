import { resolve } from "node:path";
import { glob, isDynamicPattern } from "tinyglobby";
import { standardInput } from "../frequency/files/format.ts";
import { LossError } from "../loss/error.ts";

/** The files that names and patterns mean, each once, those of a pattern in the order of their names. */
export async function expanded(inputs: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const input of inputs) {
    if (input === standardInput || !isDynamicPattern(input)) {
      found.push(input);
      continue;
    }
    const paths = await glob(input, { dot: false, onlyFiles: true });
    if (paths.length === 0) {
      throw new LossError(
        input,
        "no file matches the pattern",
        "Put patterns in quotation marks, and check the folder",
      );
    }
    found.push(...paths.sort());
  }
  // A file has several names: a.txt and ./a.txt.
  const once = new Map<string, string>();
  for (const path of found) {
    const key = path === standardInput ? path : resolve(path);
    if (!once.has(key)) once.set(key, path);
  }
  return [...once.values()];
}
