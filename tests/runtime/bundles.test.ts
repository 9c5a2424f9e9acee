/** Programs that are bundled with Vite and `bun build`, with no flag and no setting, train on each backend. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { hasChromium, openPage, type Page, withWebGPU } from "../browser/chromium.ts";
import { type Installation, install } from "../support/install.ts";
import { programs, resultsOf } from "../support/runtimes.ts";
import type * as app from "./programs/app.mjs";

const executable = (name: string): string => fileURLToPath(new URL(`../../node_modules/.bin/${name}`, import.meta.url));

type Trained = Awaited<ReturnType<typeof app.train>>;

/** The same bundler's output is the same whichever runtime starts it. */
const isBun = "Bun" in globalThis;

(isBun ? describe : describe.skip)("bundled", () => {
  let installed: Installation;

  beforeAll(() => {
    const backends = ["-cpu", "-webgl", "-wasm", "-webgpu"].map((name) => `@tensorflow/tfjs-backend${name}`);
    installed = install(["@tensorflow/tfjs", ...backends]);
    copyFileSync(join(programs, "app.mjs"), join(installed.folder, "app.mjs"));
  }, 60_000);
  afterAll(() => installed?.remove());

  const bundlers: Readonly<Record<string, (folder: string) => void>> = {
    Vite: (folder) => {
      const config = {
        logLevel: "error",
        build: {
          outDir: "vite",
          rollupOptions: {
            input: "app.mjs",
            preserveEntrySignatures: "strict",
            output: { entryFileNames: "page.js" },
          },
        },
      };
      writeFileSync(join(folder, "vite.config.mjs"), `export default ${JSON.stringify(config)};`);
      execFileSync(executable("vite"), ["build"], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
    },
    "bun build": (folder) => {
      const flags = ["--target=browser", "--outfile=bun build/page.js"];
      execFileSync(executable("bun"), ["build", "app.mjs", ...flags], {
        ...{ cwd: folder, stdio: ["ignore", "ignore", "inherit"] },
      });
    },
  };

  const hasBrowser = isBun && hasChromium();
  for (const [name, bundle] of Object.entries(bundlers)) {
    (hasBrowser ? describe : describe.skip)(`by ${name}, in Chromium`, () => {
      let page: Page<typeof app>;

      beforeAll(async () => {
        bundle(installed.folder);
        const module = pathToFileURL(`${join(installed.folder, name === "Vite" ? "vite" : name)}/`);
        page = await openPage({ module, flags: withWebGPU });
      }, 60_000);
      afterAll(async () => {
        await page?.close();
      });

      for (const backend of ["cpu", "wasm", "webgl", "webgpu"] as const) {
        test(backend, async () => expectTrained(await page.run("train", backend), backend), 60_000);
      }

      test("auto passes over software drivers, and says so", async () => {
        const { backend, passedOver } = await page.run("train", "auto");
        // A machine with a GPU takes it.
        if (backend !== "wasm") return expect(["webgpu", "webgl"]).toContain(backend);
        expect(passedOver.map((one) => one.backend)).toEqual(["webgpu", "webgl"]);
        for (const { because } of passedOver) expect(because).toMatch(/software|no adapter|no WebGL|no WebGPU/);
      }, 60_000);
    });
  }

  test("by Vite as a module for Node, in a folder without packages", async () => {
    await inFolder(async (folder) => {
      const main = join(installed.folder, "server.mjs");
      writeFileSync(
        main,
        'import { train } from "./app.mjs";\nconsole.log("results " + JSON.stringify(await train("wasm")));\n',
      );
      const build = { outDir: folder, emptyOutDir: true, ssr: "server.mjs" };
      writeFileSync(
        join(installed.folder, "server.config.mjs"),
        `export default ${JSON.stringify({ logLevel: "error", ssr: { noExternal: true }, build })};`,
      );
      execFileSync(executable("vite"), ["build", "--config", "server.config.mjs"], {
        ...{ cwd: installed.folder, stdio: ["ignore", "ignore", "inherit"] },
      });
      expectTrained(await resultsOf<Trained>({ runtime: "Node", path: join(folder, "server.mjs") }), "wasm");
    });
  }, 60_000);

  test("by bun build, under Bun, in a folder without packages", async () => {
    await inFolder(async (folder) => {
      const main = join(installed.folder, "main.mjs");
      writeFileSync(
        main,
        'import { train } from "./app.mjs";\n' +
          'const results = [await train("cpu"), await train("wasm"), await train("auto")];\n' +
          'console.log("results " + JSON.stringify(results));\n',
      );
      const path = join(folder, "main.js");
      execFileSync(executable("bun"), ["build", main, "--target=bun", `--outfile=${path}`], { stdio: "ignore" });
      const [cpu, wasm, auto] = await resultsOf<Trained[]>({ runtime: "Bun", path });
      expectTrained(cpu, "cpu");
      expectTrained(wasm, "wasm");
      expect(auto.backend).toBe("wasm");
      expect(auto.passedOver[0].because).toContain("neither the package webgpu nor bun-webgpu is installed");
    });
  }, 60_000);
});

/** Runs `body` in a folder that is removed after it. */
async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "lossmith-bundle-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function expectTrained(trained: Trained, backend: string): void {
  expect(trained.backend).toBe(backend as Trained["backend"]);
  expect(trained.kernels).toBeGreaterThan(100);
  expect(trained.first).toBeCloseTo(Math.log(3), 4);
  expect(trained.last).toBeLessThan(0.5);
  expect(trained.fused).toBe(true);
  expect(trained.layers).toEqual([3, 3]);
}
