/** The files of training: checkpoints and pictures as a whole, logs line by line. */
import { type ReplacingFileSystem, replaceFile } from "../frequency/files/replaceFile.ts";
import { LossError } from "../loss/error.ts";

/** The part of node:fs/promises that is used: Bun's and Deno's as well. */
interface FileSystem extends ReplacingFileSystem {
  readFile(path: string): Promise<Uint8Array>;
  readFile(path: string, encoding: "utf8"): Promise<string>;
  appendFile(path: string, text: string): Promise<void>;
}

async function fileSystem(where: string): Promise<FileSystem> {
  try {
    // By a name that bundlers for browsers do not follow.
    const name = "node:fs/promises";
    return (await import(/* @vite-ignore */ name)) as FileSystem;
  } catch {
    throw new LossError(where, "there is no file system here", "Use encode and decode, and keep the bytes elsewhere");
  }
}

/** Writes beside the file, waits for the disk, and puts what was written in the file's place. */
export async function writeAtomically(path: string, bytes: Uint8Array, where: string): Promise<void> {
  const files = await fileSystem(where);
  await replaceFile(files, path, `${path}.${crypto.randomUUID()}.part`, bytes);
  await syncFolder(path, files.open);
}

/** The new name is on the disk only when the folder is; some systems cannot open one. */
async function syncFolder(path: string, open: FileSystem["open"]): Promise<void> {
  const folder = path.replace(/[^/\\]*$/, "") || ".";
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // The file itself is complete in any case.
  }
}

export async function read(path: string, where: string): Promise<Uint8Array> {
  const { readFile } = await fileSystem(where);
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code !== "ENOENT") throw error;
    throw new LossError(where, `there is no file ${path}`, "Give the path of a checkpoint");
  }
}

/** Appends texts to a file, beginning on a new line where the file ends in the middle of one. */
export function appender(path: string, where: string): (text: string) => Promise<void> {
  let begun = false;
  return async (text) => {
    const { appendFile, readFile } = await fileSystem(where);
    const before = begun ? "" : await readFile(path, "utf8").catch(() => "");
    begun = true;
    await appendFile(path, before === "" || before.endsWith("\n") ? text : `\n${text}`);
  };
}
