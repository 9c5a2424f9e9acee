import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { defaultOptions, fineTuningSteps, parseCommand, usage } from "../../examples/demo/options.ts";

const script = fileURLToPath(new URL("../../examples/demo/main.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "lossmith-demo-"));

afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the demo in the runtime that runs this test. */
function demo(...args: string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const runtimeArgs = process.versions.deno === undefined ? [] : ["run", "--allow-all"];
  return spawnSync(process.execPath, [...runtimeArgs, script, ...args], { encoding: "utf8" });
}

describe("options", () => {
  test("have defaults, and are read", () => {
    expect(parseCommand([])).toEqual({ kind: "run", options: defaultOptions });
    expect(
      parseCommand(["--alpha", "1", "--steps=30", "--seed", "7", "--backend", "cpu", "--out", "x", "--linear"]),
    ).toEqual({
      kind: "run",
      options: { alpha: 1, steps: 30, seed: 7, backend: "cpu", out: "x", linear: true },
    });
    expect(parseCommand(["--steps", "3", "-h"])).toEqual({ kind: "help" });
  });

  test("give each fine-tuning a third of the steps, and at least one", () => {
    expect([1, 2, 30, 900].map(fineTuningSteps)).toEqual([1, 1, 10, 300]);
  });

  const wrong: readonly (readonly [string[], RegExp])[] = [
    [["--alpha", "x"], /--alpha is "x"; give a number from 0 to 3/],
    [["--alpha", "-1"], /--alpha is "-1"; give a number from 0/],
    [["--alpha"], /--alpha has no value; give a number/],
    [["--alpha="], /--alpha is ""; give a number/],
    [["--steps", "0"], /--steps is "0"; give a whole number from 1/],
    [["--steps", "2.5"], /--steps is "2.5"; give a whole number/],
    [["--seed", "-1"], /--seed is "-1"; give a whole number from 0/],
    [["--backend", "gpu"], /--backend is "gpu"; give one of auto, wasm, cpu, webgl, webgpu/],
    [["--out", ""], /--out is ""; give the name of a folder/],
    [
      ["--epochs", "3"],
      /unknown option --epochs; the options are --backend, --alpha, --steps, --seed, --out, --linear, --help/,
    ],
    [["--toString"], /unknown option --toString/],
    [["--linear=yes"], /--linear takes no value, and has "yes"/],
    [["-x"], /unknown option -x/],
    [["now"], /unexpected argument "now"; options begin with --/],
  ];
  for (const [args, message] of wrong) {
    test(`refuse ${args.join(" ")}`, () => {
      const command = parseCommand(args);
      expect(command.kind).toBe("error");
      expect(command.kind === "error" ? command.message : "").toMatch(message);
    });
  }
});

describe("the demo as a process", () => {
  test("--help prints usage with the defaults", () => {
    const { status, stdout, stderr } = demo("--help");
    expect([status, stdout]).toEqual([0, usage()]);
    expect(stderr).toBe("");
    for (const value of Object.values(defaultOptions)) expect(stdout).toContain(`default ${value}`);
  });

  test("a bad option is one line on stderr and exit code 2", () => {
    const { status, stdout, stderr } = demo("--steps", "0");
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^demo: --steps is "0"; .*\n$/);
  });

  test("a short run prints table, samples and findings, and writes report and picture", () => {
    const { status, stdout, stderr } = demo("--steps", "2", "--out", folder);
    expect([status, stderr.includes("\u001b")]).toEqual([0, false]);
    expect(stderr).toMatch(/Fine-tuning: PDL +100 % \| loss/);
    for (const part of ["NLL in nats, overall", "Sample 2: …", "What was seen", "Total time:"]) {
      expect(stdout).toContain(part);
    }
    expect(readFileSync(join(folder, "report.md"), "utf8")).toContain("](picture.svg)");
    expect(readFileSync(join(folder, "picture.svg"), "utf8")).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
  }, 60_000);
});
