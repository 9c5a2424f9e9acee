/** The backend's .wasm file without a server, a path or a bundler that knows of it: it is part of this package. */
import { LossError } from "../../loss/error.ts";

export const where = 'useBackend("wasm")';

/** The files by the names that tensorflow.js asks for. */
export type Files = Readonly<Record<string, string>>;

/** Where tensorflow.js finds the file that this package carries, until `release`. */
export interface CarriedFile {
  readonly files: Files;
  release(): void;
}

/** null if the backend is of another version, whose own file has to be found, or the runtime has no SIMD. */
export async function carriedFile(version: string): Promise<CarriedFile | null> {
  const binary = await import("./binary.ts");
  if (version !== binary.version || !hasSimd()) return null;
  const blob = await unzip(Uint8Array.from(atob(binary.gzipped), (character) => character.charCodeAt(0)));
  const address = URL.createObjectURL(blob);
  await checkPolicy(address);
  const names = ["tfjs-backend-wasm.wasm", "tfjs-backend-wasm-simd.wasm", "tfjs-backend-wasm-threaded-simd.wasm"];
  return {
    files: Object.fromEntries(names.map((name) => [name, address])),
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

/** tensorflow.js waits for ever for a file or a module that a content security policy forbids. */
async function checkPolicy(address: string): Promise<void> {
  await fetch(address).catch(() => {
    throw new LossError(
      where,
      "the page's content security policy forbids to read a blob:",
      "Add blob: to its connect-src, or serve the .wasm files of @tensorflow/tfjs-backend-wasm and give { wasmPaths }",
    );
  });
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
