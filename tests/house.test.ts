/** Imports between the folders of lib run one way, and only mod.ts is imported from outside. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";

const root = new URL("../", import.meta.url);

/** The folders of lib that each folder may import from. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  loss: [],
  frequency: ["loss"],
  library: ["loss", "frequency"],
  json: ["loss", "frequency", "library"],
  reference: ["loss"],
  kernels: ["loss"],
  compiler: ["loss", "frequency", "kernels"],
  runtime: ["loss", "kernels"],
  training: ["loss", "library", "frequency", "json", "compiler", "runtime"],
  cli: ["loss", "library", "frequency", "json", "compiler"],
};

function sources(folder: string): readonly string[] {
  return readdirSync(new URL(folder, root), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? sources(`${folder}${entry.name}/`)
      : entry.name.endsWith(".ts")
        ? [`${folder}${entry.name}`]
        : [],
  );
}

function imports(file: string): readonly string[] {
  const text = readFileSync(new URL(file, root), "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
  return [...text.matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map(([, specifier]) => specifier);
}

/** The folder of lib that a relative import leads to. */
function target(file: string, specifier: string): string {
  return new URL(specifier, new URL(file, "file:///")).pathname.split("/")[2];
}

describe("lib", () => {
  for (const folder of readdirSync(new URL("lib/", root))) {
    test(`${folder} imports only ${allowed[folder]?.join(", ") || "itself"}`, () => {
      expect(Object.keys(allowed)).toContain(folder);
      for (const file of sources(`lib/${folder}/`)) {
        for (const specifier of imports(file)) {
          if (specifier.startsWith(".")) expect([folder, ...allowed[folder]]).toContain(target(file, specifier));
        }
      }
    });
  }

  test("all that does not compute with tensors does without TensorFlow.js", () => {
    const pure = ["loss", "library", "frequency", "json", "reference", "cli"].flatMap((folder) =>
      sources(`lib/${folder}/`),
    );
    for (const file of pure) expect(imports(file).filter((s) => s.includes("tensorflow"))).toEqual([]);
  });

  test("frequencies that are not in files do without Node", () => {
    const pure = sources("lib/frequency/").filter((file) => !file.includes("/files/"));
    for (const file of pure)
      expect(imports(file).filter((s) => s.startsWith("node:") || s.includes("/files/"))).toEqual([]);
  });
});

/** The folders of examples that each folder may import from. */
const allowedExamples: Readonly<Record<string, readonly string[]>> = {
  model: [],
  corpora: [],
  command: [],
  report: ["model"],
  demo: ["model", "corpora", "command", "report"],
  gallery: ["model", "corpora"],
  browser: ["model", "corpora", "report"],
  finetuning: ["model", "command", "report"],
  define: ["corpora", "finetuning"],
  summarise: ["corpora", "finetuning"],
  style: ["corpora", "finetuning"],
};

test("imports between the folders of examples run one way", () => {
  const folders = readdirSync(new URL("examples/", root));
  expect(folders.toSorted()).toEqual(Object.keys(allowedExamples).toSorted());
  for (const folder of folders) {
    for (const file of sources(`examples/${folder}/`)) {
      const relative = imports(file).filter((specifier) => specifier.startsWith("."));
      for (const specifier of relative) expect([folder, ...allowedExamples[folder]]).toContain(target(file, specifier));
    }
  }
});

test("examples and benchmarks import the package as its users do", () => {
  for (const file of [...sources("examples/"), ...sources("bench/")]) {
    expect(imports(file).filter((s) => /\/(lib|mod\.ts)/.test(s))).toEqual([]);
  }
});
