/**
 * The backend's .wasm file without a server, a path or a bundler that knows of it, since it is part of this package; or
 * where it is served.
 */
import { LossError } from "../../loss/error.ts";
import { hostOf } from "../host.ts";

export const where = 'useBackend("wasm")';

const names = [
  "tfjs-backend-wasm.wasm",
  "tfjs-backend-wasm-simd.wasm",
  "tfjs-backend-wasm-threaded-simd.wasm",
] as const;
export type FileName = (typeof names)[number];

/** Where tensorflow.js finds the files by the names that it asks for, until `release`. */
export interface Files {
  readonly files: Readonly<Record<string, string>>;
  /** Whether they are read by `fetch`; as the runtime reads files otherwise. */
  readonly fetched: boolean;
  release(): void;
}

/** The file that this package carries; null if the backend is of another version, whose own file has to be found, or the runtime has no SIMD. */
export async function carriedFile(version: string): Promise<Files | null> {
  const binary = await import("./binary.ts");
  if (version !== binary.version || !hasSimd()) return null;
  const blob = await unzip(Uint8Array.from(atob(binary.gzipped), (character) => character.charCodeAt(0)));
  const address = URL.createObjectURL(blob);
  await checkPolicy(address);
  return {
    files: Object.fromEntries(names.map((name) => [name, address])),
    fetched: true,
    release: () => URL.revokeObjectURL(address),
  };
}

async function unzip(bytes: Uint8Array<ArrayBuffer>): Promise<Blob> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const unzipped = await new Response(stream).arrayBuffer();
  return new Blob([unzipped], { type: "application/wasm" });
}

/** A module whose one function multiplies vectors: valid where SIMD is known. */
const simdModule = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0],
  ...[10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
);

function hasSimd(): boolean {
  return WebAssembly.validate(simdModule);
}

/**
 * The files that are served. The one that is used is looked at first: once tensorflow.js has failed to load it, it takes
 * no other.
 */
export async function servedFiles(paths: string | Readonly<Record<string, string>>, used: FileName): Promise<Files> {
  const files = typeof paths === "string" ? inFolder(paths) : paths;
  const missing = names.filter((name) => !Object.hasOwn(files, name));
  if (missing.length > 0) {
    throw new LossError(where, `wasmPaths has no address of ${missing.join(", ")}`, "Give that of each of the files");
  }
  const address = files[used];
  const fetched = hostOf() === "browser" || /^(https?|blob|data):/.test(address);
  const fault = await faultOf(address, fetched).catch((cause: unknown) => String(cause));
  if (fault !== null) {
    throw new LossError(
      where,
      `${address} cannot be loaded (${fault})`,
      "Serve the .wasm files of @tensorflow/tfjs-backend-wasm/dist and give their folder, { wasmPaths }",
    );
  }
  checkWebAssembly();
  return { files, fetched: fetched && hostOf() !== "browser", release: () => undefined };
}

function inFolder(path: string): Readonly<Record<string, string>> {
  const folder = path.endsWith("/") ? path : `${path}/`;
  return Object.fromEntries(names.map((name) => [name, folder + name]));
}

/** Why there is no WebAssembly at an address; null if there is, or it cannot be told. */
async function faultOf(address: string, fetched: boolean): Promise<string | null> {
  if (!fetched) {
    const bytes = readFile(address);
    return bytes === null || isWebAssembly(bytes) ? null : notWebAssembly;
  }
  const response = await fetch(address, { credentials: "same-origin" });
  if (!response.ok) return `HTTP ${response.status}`;
  // A server may answer with a page of its own in place of what it does not have.
  return isWebAssembly(new Uint8Array(await response.arrayBuffer())) ? null : notWebAssembly;
}

const notWebAssembly = "it is not WebAssembly";

function isWebAssembly(bytes: Uint8Array): boolean {
  return [0, 97, 115, 109].every((byte, i) => bytes[i] === byte);
}

/** By what Bun, Deno and all but the oldest Node 20 have; an import of it is in the way of bundlers for browsers. */
function readFile(address: string): Uint8Array | null {
  const { process } = globalThis as { readonly process?: { getBuiltinModule?(name: string): FileSystem | undefined } };
  const files = process?.getBuiltinModule?.("node:fs");
  return files?.readFileSync(address.startsWith("file:") ? new URL(address) : address) ?? null;
}

interface FileSystem {
  readFileSync(path: string | URL): Uint8Array;
}

/** tensorflow.js waits for ever for a file or a module that a content security policy forbids. */
async function checkPolicy(address: string): Promise<void> {
  await fetch(address).catch(() => {
    throw new LossError(
      where,
      "the page's content security policy forbids to read a blob:",
      "Add blob: to its connect-src, or serve the .wasm files of @tensorflow/tfjs-backend-wasm and give { wasmPaths }",
    );
  });
  checkWebAssembly();
}

function checkWebAssembly(): void {
  try {
    new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
  } catch {
    throw new LossError(
      where,
      "the page's content security policy forbids WebAssembly",
      "Add 'wasm-unsafe-eval' to its script-src",
    );
  }
}
