/** Files that are there as a whole, or as they were before. */
import { LossError } from "../loss/error.ts";

/** The part of node:fs/promises that is used: Bun's and Deno's as well. */
interface FileSystem {
  open(path: string, flags: "wx" | "r"): Promise<FileHandle>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { readonly force: boolean }): Promise<void>;
  readFile(path: string): Promise<Uint8Array>;
  readFile(path: string, encoding: "utf8"): Promise<string>;
  appendFile(path: string, text: string): Promise<void>;
}

interface FileHandle {
  writeFile(bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
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
  const { open, rename, rm } = await fileSystem(where);
  const beside = `${path}.${crypto.randomUUID()}.part`;
  try {
    const file = await open(beside, "wx");
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  await syncFolder(path, open);
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
