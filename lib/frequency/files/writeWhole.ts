import { randomUUID } from "node:crypto";
import { access, constants, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { LossError } from "../../loss/error.ts";
import { replaceFile } from "./replaceFile.ts";

/**
 * Writes a file as a whole or not at all: beside its place under another name, and moves it there once the disk has
 * it. What is there stays until then.
 *
 * @throws LossError where it cannot be written; nothing is left behind.
 */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${randomUUID()}.part`);
  try {
    await replaceFile({ open, rename, rm }, path, beside, content);
  } catch (error) {
    throw new LossError(path, ...whyNot(error as NodeJS.ErrnoException));
  }
}

/** Throws what `writeWhole` would throw for a folder that is not there or not to be written to, before there is anything to write. */
export async function checkWritable(path: string): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK);
    const there = await stat(path).catch(() => null);
    if (there?.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
  } catch (error) {
    throw new LossError(path, ...whyNot(error as NodeJS.ErrnoException));
  }
}

function whyNot({ code, message }: NodeJS.ErrnoException): readonly [what: string, remedy: string] {
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return ["there is no space for it", "Free some, or name a file on another disk; nothing was written"];
    case "ENOENT":
      return ["its folder does not exist", "Make the folder first"];
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return ["it may not be written", "Ask for the right to write there, or name another file"];
    case "EISDIR":
      return ["it is a folder", "Name a file"];
    default:
      return [`it cannot be written: ${message}`, "Name another file"];
  }
}
