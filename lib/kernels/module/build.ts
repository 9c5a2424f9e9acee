/**
 * Compiles the AssemblyScript in ./assembly to ./bytes.ts, once for each variant:
 *
 *     npx bun lib/kernels/module/build.ts
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { main } from "assemblyscript/asc";

/** The compiled variants. */
export interface CompiledModules {
  readonly simd: Uint8Array;
  readonly relaxedSimd: Uint8Array;
}

const folder = fileURLToPath(new URL(".", import.meta.url));

/** Compiles both variants; the same sources give the same bytes. */
export async function compileModules(): Promise<CompiledModules> {
  return { simd: await compile([]), relaxedSimd: await compile(["--enable", "relaxed-simd"]) };
}

/** The source text of ./bytes.ts. */
export function bytesSource(modules: CompiledModules): string {
  return [
    "/** Generated from ./assembly by `npx bun lib/kernels/module/build.ts`: compiled WebAssembly in base64. */",
    `export const simd: string =\n  "${base64(modules.simd)}";`,
    `export const relaxedSimd: string =\n  "${base64(modules.relaxedSimd)}";`,
    "",
  ].join("\n");
}

// The memory is another's: no runtime, no static data and no stack of ours in it.
const options: readonly string[] = [
  "assembly/index.ts",
  ...["--baseDir", folder],
  ...["--outFile", "module.wasm"],
  ...["--runtime", "stub"],
  ...["--enable", "simd"],
  "--importMemory",
  "--noExportMemory",
  "--noAssert",
  "-O3",
];

async function compile(more: readonly string[]): Promise<Uint8Array> {
  let binary: Uint8Array | null = null;
  const { error, stderr } = await main([...options, ...more], {
    writeFile: (_name, contents) => {
      if (typeof contents !== "string") binary = contents;
    },
  });
  if (error !== null || binary === null) throw new Error(`asc: ${error?.message}\n${stderr.toString()}`);
  return binary;
}

function base64(binary: Uint8Array): string {
  return Buffer.from(binary).toString("base64");
}

/** The text of ./bytes.ts as it is. */
export function readBytesSource(): string {
  return readFileSync(new URL("./bytes.ts", import.meta.url), "utf8");
}

if (import.meta.main) {
  writeFileSync(new URL("./bytes.ts", import.meta.url), bytesSource(await compileModules()));
}
