/** useBackend and disposeBackend on the backends that every runtime has, and the subpath lossmith/runtime. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { version_wasm } from "@tensorflow/tfjs-backend-wasm";
import { type BackendOptions, disposeBackend, useBackend } from "lossmith";
import * as runtime from "lossmith/runtime";
import { gzipped, version } from "../../lib/runtime/wasm/binary.ts";
import { installedBinary } from "../../lib/runtime/wasm/build.ts";
import { carriedFile } from "../../lib/runtime/wasm/files.ts";
import { refuseMissingMemory } from "../../lib/runtime/wasm/memory.ts";
import { unlessWorkerFails } from "../../lib/runtime/wasm/threads.ts";
import { programs, resultsOf } from "../support/runtimes.ts";

afterAll(async () => {
  await useBackend("cpu");
});

describe("useBackend", () => {
  test("resolves to the name, or to a report", async () => {
    expect(await useBackend("wasm")).toBe("wasm");
    expect(await useBackend("cpu", { report: false })).toBe("cpu");
    expect(await useBackend("wasm", { report: true })).toEqual({ backend: "wasm", passedOver: [], adapter: null });
  });

  test("auto says why it passed over the backends before the one that it takes", async () => {
    const { backend, passedOver, adapter } = await useBackend("auto", { report: true });
    const order = ["webgpu", "webgl", "wasm", "cpu"];
    expect(passedOver.map((one) => one.backend)).toEqual(
      order.slice(0, order.indexOf(backend)) as (typeof passedOver)[number]["backend"][],
    );
    for (const one of passedOver) expect(one.because).toContain(one.backend === "webgl" ? "has no WebGL" : "webgpu");
    if (backend === "webgpu") expect(adapter?.isSoftware).toBe(false);
  });

  test("refuses a name and options that it does not know", async () => {
    await expect(useBackend("gpu" as "cpu")).rejects.toThrow('useBackend: got gpu. Give "auto", "webgpu", "webgl"');
    const wrong = (options: object): Promise<unknown> =>
      useBackend("cpu", options as BackendOptions & { report?: false });
    await expect(wrong({ wasmPath: "/" })).rejects.toThrow("useBackend: got an option wasmPath. The options are");
    await expect(wrong({ wasmPaths: 3 })).rejects.toThrow(
      "useBackend: got 3 as wasmPaths. Give the address of a folder",
    );
    await expect(wrong({ powerPreference: "low" })).rejects.toThrow('Give "high-performance" or "low-power"');
    await expect(wrong({ report: "yes" })).rejects.toThrow("Give true or false");
    for (const wasmPaths of ["", ["a"], new URL("file:///a/"), { "tfjs-backend-wasm.wasm": 3 }]) {
      await expect(wrong({ wasmPaths })).rejects.toThrow("Give the address of a folder");
    }
    for (const options of [null, true, 3, "report", []]) {
      await expect(wrong(options as object)).rejects.toThrow(
        `useBackend: got ${options} as options. Give an object of`,
      );
    }
  });

  test("a backend that does not start leaves the current one", async () => {
    await useBackend("cpu");
    await expect(useBackend("webgl")).rejects.toThrow(/useBackend\("webgl"\): (Bun|Deno) has no WebGL/);
    expect(tf.getBackend()).toBe("cpu");
  });

  test("starts that are asked for at once follow each other", async () => {
    const names = ["cpu", "wasm", "cpu", "wasm"] as const;
    expect(await Promise.all(names.map((name) => useBackend(name)))).toEqual([...names]);
    expect(tf.getBackend()).toBe("wasm");
  });
});

("Deno" in globalThis ? test : test.skip)("a worker of Deno has no WebGL, and says so", async () => {
  const worker = new Worker(new URL("programs/webglInWorker.mjs", import.meta.url), { type: "module" });
  const says = new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
  expect(await says).toMatch(/^useBackend\("webgl"\): Deno has no WebGL/);
  worker.terminate();
});

describe("disposeBackend", () => {
  test("takes a backend away that cannot dispose of itself any more", async () => {
    await useBackend("wasm");
    const broken = tf.backend();
    broken.dispose = () => {
      throw new Error("memory access out of bounds");
    };
    await disposeBackend();
    await useBackend("wasm");
    expect(tf.backend()).not.toBe(broken);
  });

  test("refuses a name that it does not know", async () => {
    for (const name of ["gpu", null, "toString"]) {
      await expect(disposeBackend(name as "cpu")).rejects.toThrow(`disposeBackend: got ${name}. Give "webgpu"`);
    }
  });

  for (const name of ["wasm", "cpu"] as const) {
    test(`frees ${name}, which starts again`, async () => {
      await useBackend(name);
      const before = tf.backend();
      const kept = tf.ones([3]);
      await useBackend(name);
      expect([...(await kept.data())]).toEqual([1, 1, 1]);
      await disposeBackend();
      await disposeBackend(name);
      await useBackend(name);
      expect(tf.backend()).not.toBe(before);
      expect([...(await tf.add(tf.ones([2]), 1).data())]).toEqual([2, 2]);
    });
  }
});

test("a thread of wasm that does not start is an error, which would be waited for for ever", async () => {
  const { Worker } = globalThis;
  const text = URL.createObjectURL(new Blob(["noSuchThing();"], { type: "text/javascript" }));
  const start = (): Promise<never> => {
    const worker = new globalThis.Worker(text, { type: "module" });
    worker.onerror = (event) => event.preventDefault();
    return new Promise(() => undefined);
  };
  await expect(unlessWorkerFails(start)).rejects.toThrow(/a thread ended: .*noSuchThing/);
  expect(globalThis.Worker).toBe(Worker);
  expect(await unlessWorkerFails(() => 3)).toBe(3);
});

describe("memory that wasm has not", () => {
  test("is an error, and the backend goes on", async () => {
    await useBackend("wasm");
    expect(() => tf.fill([2 ** 30], 1)).toThrow(
      "wasm: there is no memory for a tensor of 4294967296 bytes: wasm has 4 GiB",
    );
    expect([...(await tf.fill([2], 1).data())]).toEqual([1, 1]);
  });

  test("is not the address 0", () => {
    const wasm = { _malloc: (bytes: number) => (bytes > 100 ? 0 : 8), _free: () => undefined };
    refuseMissingMemory({ wasm } as never);
    expect([wasm._malloc(100), wasm._malloc(0)]).toEqual([8, 8]);
    expect(() => wasm._malloc(101)).toThrow("wasm: there is no memory for a tensor of 101 bytes");
  });
});

describe("the .wasm file that the package carries", () => {
  test("is the installed package's", async () => {
    const installed = installedBinary();
    expect(version).toBe(installed.version);
    expect(version_wasm).toBe(installed.version);
    const carried = await carriedFile(version);
    const response = await fetch(carried?.files["tfjs-backend-wasm-simd.wasm"] ?? "");
    expect(Buffer.from(await response.arrayBuffer()).equals(Buffer.from(installed.bytes))).toBe(true);
    carried?.release();
    expect(gzipped.length).toBeLessThan(installed.bytes.length / 2);
  });

  test("is not used for another version of the backend", async () => {
    expect(await carriedFile("4.22.1")).toBe(null);
  });
});

describe("wasm, in a process that has not started it", () => {
  let results: Readonly<Record<string, unknown>>;

  beforeAll(async () => {
    const runtime = "Bun" in globalThis ? "Bun" : "Deno";
    results = await resultsOf({ runtime, path: `${programs}/wasmStarts.mjs` });
  });

  test("that was set without waiting for it gives way to what is asked for", () => {
    expect(results["withoutWaiting"]).toEqual(["cpu", "cpu"]);
  });

  test("that TensorFlow.js started is kept, and starts again after its disposal", () => {
    expect(results["byItself"]).toEqual(["wasm", [1, 2, 3]]);
    expect(results["again"]).toBe("wasm");
  });

  test("says of its tensors after its disposal that they are gone, and they can be freed", () => {
    const gone = 'wasm: the backend was disposed of. What was on it is gone: call useBackend("wasm") again and make';
    for (const message of results["gone"] as string[]) expect(message).toContain(gone);
    expect(results["freed"]).toBe(-2);
  });

  test("takes files that are named; what is wrong with them is said, and mended by the next call", () => {
    expect(results["nowhere"]).toMatch(
      /^useBackend\("wasm"\): \S+nowhere\/tfjs-backend-wasm-simd\.wasm cannot be loaded \(.*\)\. Serve the \.wasm files/,
    );
    expect(results["notWasm"]).toContain("cannot be loaded (it is not WebAssembly)");
    expect(results["incomplete"]).toContain(
      "wasmPaths has no address of tfjs-backend-wasm-simd.wasm, tfjs-backend-wasm",
    );
    expect(results["named"]).toBe("wasm");
    expect(results["carried"]).toEqual(["wasm", [2, 2]]);
  });
});

describe("lossmith/runtime", () => {
  const json = (
    file: string,
  ): { exports: Record<string, unknown>; imports: Record<string, string>; bin: Record<string, string> } =>
    JSON.parse(readFileSync(new URL(`../../${file}`, import.meta.url), "utf8"));

  test("is the same as what lossmith exports", () => {
    expect(runtime.useBackend).toBe(useBackend);
    expect(runtime.disposeBackend).toBe(disposeBackend);
  });

  test("package.json and deno.json export the same modules", () => {
    const npm = Object.entries(json("package.json").exports).filter(([name]) => name !== "./package.json");
    const sources = Object.fromEntries(npm.map(([name, target]) => [name, (target as { bun: string }).bun]));
    const jsr = json("deno.json");
    // What npm has as a command is a module to JSR.
    const { "./cli": cli, ...modules } = jsr.exports;
    expect(modules).toEqual(sources);
    expect(json("package.json").bin).toEqual({
      lossmith: String(cli).replace("./", "./dist/").replace(".ts", ".js"),
    });
    for (const [name, target] of npm) {
      const source = sources[name];
      expect(target).toEqual({
        types: source.replace("./", "./dist/").replace(".ts", ".d.ts"),
        bun: source,
        import: source.replace("./", "./dist/").replace(".ts", ".js"),
      });
      expect(jsr.imports[name.replace(".", "lossmith")]).toBe(source);
    }
  });

  test("brings nothing of the losses but their error", () => {
    const seen = new Set<string>();
    const follow = (file: URL): void => {
      if (seen.has(file.pathname)) return;
      seen.add(file.pathname);
      const text = readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
      for (const [, specifier] of text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) follow(new URL(specifier, file));
    };
    follow(new URL("../../lib/runtime/index.ts", import.meta.url));
    const others = [...seen].map((path) => path.split("/lib/")[1]).filter((path) => !/^(runtime|kernels)\//.test(path));
    expect(others).toEqual(["loss/error.ts"]);
  });
});
