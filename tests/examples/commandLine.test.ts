import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type CommandLine, defaultOptions, parseExample, usage } from "../../examples/finetuning/options.ts";

const folder = mkdtempSync(join(tmpdir(), "lossmith-examples-"));

afterAll(() => rmSync(folder, { recursive: true }));

const line: CommandLine = {
  name: "tiny",
  about: "Does little.",
  temperature: 0.3,
  own: [
    {
      name: "colour",
      value: "name",
      initial: "red",
      help: "its colour",
      check: (value) => value === "red" || value === "blue" || "red or blue",
    },
  ],
  examples: ["", "--colour blue"],
};

/** Runs an example in the runtime that runs this test. */
function run(
  name: string,
  ...args: string[]
): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const script = fileURLToPath(new URL(`../../examples/${name}/main.ts`, import.meta.url));
  const runtimeArgs = process.versions.deno === undefined ? [] : ["run", "--allow-all"];
  return spawnSync(process.execPath, [...runtimeArgs, script, ...args], { encoding: "utf8" });
}

describe("options", () => {
  test("have defaults, and are read", () => {
    expect(parseExample(line, [])).toEqual({ kind: "run", options: defaultOptions(line) });
    const args =
      "--preset large --backend cpu --alphas 0.5,2,0.5 --loss x/y.json --linear --steps 7 --batch 3 --accumulate 2 " +
      "--temperature 0 --colour blue --seed 9 --out x";
    expect(parseExample(line, args.split(" "))).toEqual({
      kind: "run",
      options: {
        preset: "large",
        backend: "cpu",
        alphas: [0.5, 2],
        loss: "x/y.json",
        linear: true,
        steps: 7,
        batch: 3,
        accumulate: 2,
        temperature: 0,
        own: { colour: "blue" },
        seed: 9,
        out: "x",
      },
    });
    expect(parseExample(line, ["--loss", "unlikelihood", "-h"])).toEqual({ kind: "help" });
  });

  test("are all in the help text, with their defaults", () => {
    const text = usage(line);
    const { kind, message } = parseExample(line, ["--x"]) as { readonly kind: string; readonly message: string };
    expect(kind).toBe("error");
    const names = message.match(/--[\w-]+/g) ?? [];
    expect(names.length).toBe(14);
    for (const name of names.slice(1)) expect(text).toContain(`  ${name}`);
    expect(text).toContain("its colour (default red)");
    expect(text).toContain("(default 0.3)");
    expect(text).toContain("npm run example:tiny -- --colour blue");
    for (const row of text.split("\n")) expect(row.length).toBeLessThanOrEqual(120);
  });

  const wrong: readonly (readonly [string[], RegExp])[] = [
    [["--preset", "huge"], /--preset is "huge"; give small or large/],
    [["--alphas", "1,x"], /--alphas is "1,x"; give numbers from 0 to 3 with commas/],
    [["--alphas", "-1"], /--alphas is "-1"/],
    [["--alphas", "1,,2"], /--alphas is "1,,2"/],
    [["--alphas"], /--alphas has no value/],
    [["--loss", "best"], /--loss is "best"; give one of focal, .*, or a file whose name ends in \.json/],
    [["--linear=1"], /--linear takes no value/],
    [["--steps", "0"], /--steps is "0"; give a whole number from 1/],
    [["--batch", "1.5"], /--batch is "1\.5"; give a whole number/],
    [["--accumulate", "0"], /--accumulate is "0"/],
    [["--temperature", "-1"], /--temperature is "-1"; give a number from 0 to 5/],
    [["--colour", "green"], /--colour is "green"; give red or blue/],
    [["--seed", "x"], /--seed is "x"; give a whole number from 0/],
    [["--backend", "gpu"], /--backend is "gpu"; give one of auto/],
    [["--out", " "], /--out is " "; give the name of a folder, such as tiny-report/],
    [["--toString"], /unknown option --toString; the options are --preset/],
    [["now"], /unexpected argument "now"/],
  ];
  for (const [args, message] of wrong) {
    test(`refuse ${args.join(" ")}`, () => {
      const command = parseExample(line, args);
      expect(command.kind === "error" ? command.message : command.kind).toMatch(message);
    });
  }
});

describe("an example as a process", () => {
  test("prints help, and refuses what is wrong in one line", () => {
    const { status, stdout, stderr } = run("define", "--help");
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("npm run example:define -- [options]");
    const bad = run("style", "--to", "nobody");
    expect([bad.status, bad.stdout]).toEqual([2, ""]);
    expect(bad.stderr).toMatch(/^style: --to is "nobody"; give one of old-addresses, recent-addresses, moby-dick\n$/);
    const lost = run("define", "--loss", join(folder, "lost.json"), "--out", folder);
    expect([lost.status, lost.stdout]).toEqual([1, ""]);
    expect(lost.stderr).toMatch(/^define: ENOENT.*lost\.json'\n$/);
  }, 60_000);

  test("summarises descriptions of a folder of lists, and writes report, pictures, logs and losses", () => {
    const lists = mkdtempSync(join(folder, "lists-"));
    const words = ["red", "old", "tiny", "new", "blue", "big"];
    const packages = Array.from({ length: 120 }, (_, i) => {
      const [a, b, c] = [words[i % 6], words[Math.floor(i / 6) % 6], words[Math.floor(i / 36)]];
      return `Package: p${i}\nDescription-en: ${a} ${b} ${c} tool\n A ${a} thing, number ${i}, that is ${b}.\n .\n It is ${c}.\n`;
    });
    writeFileSync(join(lists, "x_main_i18n_Translation-en"), packages.join("\n"));
    const out = join(folder, "summaries");
    const args = ["--lists", lists, "--steps", "2", "--alphas", "1", "--backend", "wasm", "--out", out];
    const { status, stdout, stderr } = run("summarise", ...args);
    expect([status, stderr]).toEqual([
      0,
      ["pretraining, 2 steps", "cross entropy, 1 steps", "PDL 1, 1 steps", "focal, 1 steps"]
        .map((text) => `summarise: ${text}\n`)
        .join(""),
    ]);
    for (const part of ["NLL in nats, overall", "Sample 3:", "What was seen", "Total time:"]) {
      expect(stdout).toContain(part);
    }
    const report = readFileSync(join(out, "report.md"), "utf8");
    expect(report).toMatch(/1 list\(s\) in .*lists-/);
    for (const picture of ["curves.svg", "bands.svg"]) {
      expect(report).toContain(`](${picture})`);
      expect(readFileSync(join(out, picture), "utf8")).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
    }
    expect(readdirSync(join(out, "logs")).sort()).toEqual([
      "PDL-1.jsonl",
      "cross-entropy.jsonl",
      "focal.jsonl",
      "pretraining.jsonl",
    ]);
    const lines = readFileSync(join(out, "logs", "pretraining.jsonl"), "utf8")
      .trim()
      .split("\n");
    expect(lines.map((text) => JSON.parse(text).batch)).toEqual([0, 1]);
    expect(existsSync(join(out, "losses", "PDL-1.json"))).toBe(true);
  }, 60_000);
});
