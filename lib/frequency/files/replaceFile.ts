/** Files that are there as a whole, or as they were before. */

/** The part of node:fs/promises that it takes: Bun's and Deno's as well. */
export interface ReplacingFileSystem {
  open(path: string, flags: "wx" | "r"): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { readonly force: boolean }): Promise<void>;
}

interface OpenFile {
  writeFile(content: string | Uint8Array): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Writes under another name, waits for the disk, and puts what was written in the file's place; what fails leaves nothing. */
export async function replaceFile(
  { open, rename, rm }: ReplacingFileSystem,
  path: string,
  beside: string,
  content: string | Uint8Array,
): Promise<void> {
  try {
    const file = await open(beside, "wx");
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
