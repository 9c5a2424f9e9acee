/** The package as its users have it: the build in a folder of its own, beside the packages that are named. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Compiles the sources into dist, unless it is younger than all of them: other tests may be reading it. */
export function build(): void {
  if (isBuilt()) return;
  execFileSync("npm", ["run", "--silent", "build"], { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
}

function isBuilt(): boolean {
  const output = join(root, "dist", "mod.js");
  if (!existsSync(output)) return false;
  const sources = readdirSync(join(root, "lib"), { recursive: true, encoding: "utf8" }).map((name) =>
    join("lib", name),
  );
  const changed = ["mod.ts", "tsconfig.build.json", ...sources].map((name) => statSync(join(root, name)).mtimeMs);
  // Of all that a build writes, this is written late; a folder's time is that of its last new entry.
  return Math.max(...changed) < statSync(output).mtimeMs;
}

export interface Installation {
  readonly folder: string;
  remove(): void;
}

/** A new folder whose node_modules has lossmith, its dependencies, and these of this repository's packages. */
export function install(packages: readonly string[]): Installation {
  build();
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "lossmith-install-"));
  const modules = join(folder, "node_modules");
  const own = join(modules, "lossmith");
  mkdirSync(own, { recursive: true });
  for (const name of ["package.json", "mod.ts", "lib", "dist"])
    cpSync(join(root, name), join(own, name), { recursive: true });
  for (const name of ["fp-ts", ...packages]) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, "node_modules", name), join(modules, name), "dir");
  }
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }) };
}
