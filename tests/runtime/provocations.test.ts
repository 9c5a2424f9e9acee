/** Silent failures of webgpu are errors under Bun, Deno and Node, and a process ends cleanly there. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import type { BackendReport } from "lossmith/runtime";
import { hasChromium, openPage, withWebGPU } from "../browser/chromium.ts";
import { build, type Installation, install } from "../support/install.ts";
import { findDriver, programs, type Runtime, resultsOf, run } from "../support/runtimes.ts";
import type * as provocations from "./programs/provocations.mjs";
import { expectations, expectNullRefused, type Results } from "./provoked.ts";

const program = (name: string): string => join(programs, `${name}.mjs`);

// The processes are the same whichever runtime starts them.
if ("Bun" in globalThis) {
  build();
  for (const runtime of ["Bun", "Deno", "Node"] as const) {
    const driver = await findDriver(runtime);
    (driver === null ? describe.skip : describe)(`webgpu under ${runtime}`, () => {
      provokedBy(
        () => resultsOf({ ...{ runtime, path: program("provoke"), timeout: 110_000 }, driver: driver ?? null }),
        runtime === "Deno",
      );

      for (const [argument, ending] of [
        ["exit", "process.exit(0)"],
        ["end", "running off its end"],
      ]) {
        test(`a process with work in flight ends cleanly by ${ending}`, async () => {
          const path = program("inFlight");
          const ended = await run({ ...{ runtime, path, arguments: [argument] }, driver: driver ?? null });
          expect({ ...ended, output: ended.output.includes("in flight") }).toEqual({
            code: 0,
            signal: null,
            output: true,
          });
        }, 65_000);
      }
    });
    if (runtime === "Bun" && driver !== null) withoutDawn(driver);
  }

  (hasChromium() ? describe : describe.skip)("webgpu in Chromium", () => {
    provokedBy(async () => {
      const module = new URL("programs/provocations.mjs", import.meta.url);
      const page = await openPage<typeof provocations>({ module, flags: withWebGPU });
      try {
        return {
          start: await page.run("start", null),
          offer: await page.run("offer", null),
          tooLarge: await page.run("tooLarge", null),
          invalidProgram: await page.run("invalidProgram", null),
          readWithoutWaiting: await page.run("readWithoutWaiting", null),
          startedTwice: await page.run("startedTwice", null),
          lostDevice: await page.run("lostDevice", null),
          disposed: await page.run("disposed", null),
          onlyNullAdapter: await page.run("onlyNullAdapter", null),
          zeros: await page.run("zeros", null),
          startedAgain: await page.run("startedAgain", null),
        };
      } finally {
        await page.close();
      }
    }, true);
  });

  describe("without a driver", () => {
    const driver = "/nonexistent";

    test("Node is told what to install, and auto takes wasm and says why", async () => {
      expect(await messageOf("Node", driver)).toMatch(
        /^LossError: useBackend\("webgpu"\): webgpu has no adapter: .*\. Install the GPU's driver .*VK_DRIVER_FILES/,
      );
      const auto = await resultsOf<BackendReport>({
        ...{ runtime: "Node", path: program("report"), arguments: ["auto"], driver },
      });
      expect(auto.backend).toBe("wasm");
      expect(auto.passedOver.map(({ backend }) => backend)).toEqual(["webgpu", "webgl"]);
      expect(auto.passedOver[0].because).toContain("webgpu has no adapter");
      expect(auto.passedOver[1].because).toContain("Node has no WebGL");
    });

    test("Deno is told what to install where its fallback to OpenGL is ruled out", async () => {
      expect(await messageOf("Deno", driver)).toMatch(
        /^LossError: useBackend\("webgpu"\): this runtime's own WebGPU has no adapter: .*\. Install the GPU's Vulkan driver, .*apt-get install mesa-vulkan-drivers/,
      );
    });

    test("auto does not take Deno's fallback to OpenGL where that is a software one, and says so", async () => {
      const environment = { DENO_WEBGPU_BACKEND: "opengl" };
      const auto = await resultsOf<BackendReport>({
        ...{ runtime: "Deno", path: program("report"), arguments: ["auto"], driver, environment },
      });
      // A machine with a GPU may have an OpenGL driver for it.
      if (auto.backend === "webgpu") return expect(auto.adapter?.isSoftware).toBe(false);
      expect(auto.backend).toBe("wasm");
      expect(auto.passedOver[0].because).toMatch(
        /the only adapter is a software one \(.*\), slower than wasm|has no adapter/,
      );
    });

    test("Bun refuses the Null adapter that bun-webgpu gives", async () => {
      expect(await messageOf("Bun", driver)).toMatch(
        /webgpu has no adapter: .*; bun-webgpu has only a Null adapter, which computes nothing\. Install the GPU's driver/,
      );
    });
  });

  describe("without the packages", () => {
    let installed: Installation;

    beforeAll(() => {
      installed = install(["@tensorflow/tfjs"]);
      copyFileSync(program("report"), join(installed.folder, "report.mjs"));
    });
    afterAll(() => installed?.remove());

    for (const [runtime, packages] of [
      [
        "Node",
        "Node has no WebGPU of its own, and the package webgpu is not installed. Install it: npm install webgpu",
      ],
      ["Bun", "neither the package webgpu nor bun-webgpu is installed. Install one: bun add webgpu"],
    ] as const) {
      test(`${runtime} is told what to install, and auto takes cpu`, async () => {
        const path = join(installed.folder, "report.mjs");
        const { error } = await resultsOf<{ error: string }>({ runtime, path, arguments: ["webgpu"] });
        expect(error).toContain(packages);
        const wasm = await resultsOf<{ error: string }>({ runtime, path, arguments: ["wasm"] });
        expect(wasm.error).toContain("npm install @tensorflow/tfjs-backend-wasm");
        expect((await resultsOf<{ backend: string }>({ runtime, path, arguments: ["auto"] })).backend).toBe("cpu");
      });
    }
  });
}

async function messageOf(runtime: Runtime, driver: string): Promise<string> {
  const { error } = await resultsOf<{ error: string }>({
    ...{ runtime, path: program("report"), arguments: ["webgpu"], driver },
  });
  return error;
}

function provokedBy(provoke: () => Promise<Results>, hasOnlyItsOwn: boolean): void {
  let results: Results;

  beforeAll(async () => {
    results = await provoke();
  }, 120_000);

  for (const { says, holds } of expectations) test(says, () => holds(results));
  if (hasOnlyItsOwn) test("a Null adapter is refused", () => expectNullRefused(results));
}

/** Bun's other package is taken where webgpu is not installed. */
function withoutDawn(driver: string | undefined): void {
  describe("webgpu under Bun by bun-webgpu", () => {
    let installed: Installation;

    beforeAll(() => {
      installed = install(["@tensorflow/tfjs", "@tensorflow/tfjs-backend-webgpu", "bun-webgpu"]);
      for (const name of ["provoke", "provocations"]) {
        copyFileSync(program(name), join(installed.folder, `${name}.mjs`));
      }
    });
    afterAll(() => installed?.remove());

    provokedBy(
      () =>
        resultsOf({
          runtime: "Bun",
          path: join(installed.folder, "provoke.mjs"),
          driver: driver ?? null,
          timeout: 110_000,
        }),
      false,
    );
  });
}
