/** The suite for Node, which loads no TypeScript: bundled beside the build of the package, as its users have it. */
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Installation, install } from "../support/install.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

const packages = [
  "@tensorflow/tfjs",
  ...["cpu", "wasm", "webgl", "webgpu"].map((name) => `@tensorflow/tfjs-backend-${name}`),
  "fast-check",
  "webgpu",
];

export interface NodeBundle extends Installation {
  /** The program. */
  readonly path: string;
}

export async function bundleForNode(): Promise<NodeBundle> {
  const installation = install(packages);
  try {
    const { outputs } = await Bun.build({
      entrypoints: [join(root, "tests", "conformance", "cell.ts")],
      target: "node",
      outdir: installation.folder,
      naming: "cell.mjs",
      plugins: [theBuild],
    });
    return { ...installation, path: outputs[0].path };
  } catch (error) {
    installation.remove();
    throw error;
  }
}

/** Packages stay outside, and what the suite imports of lib is the same copy as the package's. */
const theBuild: Bun.BunPlugin = {
  name: "the build in place of the sources",
  setup: (bundler) => {
    bundler.onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      kind === "entry-point-build" ? undefined : { path, external: true },
    );
    bundler.onResolve({ filter: /^\..*\.ts$/ }, ({ path, importer }) => {
      const file = relative(root, resolve(dirname(importer), path));
      if (!file.startsWith("lib")) return undefined;
      return { path: `./node_modules/lossmith/dist/${file.replace(/\.ts$/, ".js")}`, external: true };
    });
  },
};
