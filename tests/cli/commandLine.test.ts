/** The command line as a process: what it prints where, its exit status, and what it leaves on the disk. */
import { afterAll, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import {
  crossEntropy,
  explain,
  freqWeights,
  fromCounts,
  LossError,
  linear,
  lossToJSON,
  pipe,
  powerLaw,
  show,
} from "lossmith";
import { loadCounts } from "lossmith/frequency/files";
import { lawsOf } from "../../lib/cli/laws.ts";
import { progressOn } from "../../lib/cli/progress.ts";
import { bytes, grouped, table } from "../../lib/cli/text.ts";

const script = fileURLToPath(new URL("../../lib/cli/main.ts", import.meta.url));
const runtimeArgs = process.versions.deno === undefined ? [] : ["run", "--allow-all"];
const folder = mkdtempSync(join(tmpdir(), "lossmith-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line in the folder, in the runtime that runs this test. */
function lossmith(args: readonly string[], input = ""): Outcome {
  return spawnSync(process.execPath, [...runtimeArgs, script, ...args], { cwd: folder, encoding: "utf8", input });
}

const write = (name: string, content: string | Uint8Array): void => writeFileSync(join(folder, name), content);
const read = (name: string): string => readFileSync(join(folder, name), "utf8");
const ids = (name: string, numbers: readonly number[]): void =>
  write(name, new Uint8Array(Uint16Array.from(numbers).buffer));

/** A test of many processes that find the same in any runtime. */
const testOnce = "Bun" in globalThis ? test : test.skip;

describe("lossmith explain", () => {
  const loss = pipe(
    crossEntropy,
    freqWeights(fromCounts([900, 90, 10, 0])),
    powerLaw(linear({ init: 0, end: 1, steps: 10 })),
  );

  test("says what a file's loss is, at a step", () => {
    write("loss.json", JSON.stringify(lossToJSON(loss)));
    const { status, stdout } = lossmith(["explain", "loss.json", "--step", "5"]);
    expect(status).toBe(0);
    // What reads the logits is the backend's, of which the command starts none.
    const without = (text: string): string => text.replace(/row statistics: .*/, "").trimEnd();
    expect(without(stdout)).toBe(without(explain(loss, { step: 5 })));
    const piped = lossmith(["explain", "-", "--json"], read("loss.json"));
    const { explanation, ...rest } = JSON.parse(piped.stdout) as { readonly explanation: string };
    expect(rest as object).toEqual({ loss: show(loss), step: 0 });
    expect(without(explanation)).toBe(without(explain(loss)));
  }, 60_000);

  test("refuses what is no loss, and says where it is wrong", () => {
    write("cut.json", JSON.stringify(lossToJSON(loss)).slice(0, 50));
    write("other.json", JSON.stringify({ ...lossToJSON(loss), terms: 1 }));
    for (const [file, message] of [
      ["none.json", "cannot be read"],
      ["cut.json", "it is no JSON"],
      ["other.json", "$.terms"],
    ]) {
      const { status, stdout, stderr } = lossmith(["explain", file]);
      expect([status, stdout]).toEqual([1, ""]);
      expect(stderr).toContain(message);
    }
  }, 60_000);
});

describe("lossmith", () => {
  test("--help has examples, and a wrong command line is told on standard error with the status 2", () => {
    for (const [command, example] of [
      ["count", "lossmith count corpus.txt --tokenizer r50k_base --out counts.parquet"],
      ["inspect", "--plot weights.svg"],
    ]) {
      const { status, stdout, stderr } = lossmith([command, "--help"]);
      expect([status, stderr]).toEqual([0, ""]);
      expect(stdout).toContain(example);
    }
    for (const args of [[], ["count"], ["count", "x", "--workers", "0"], ["count", "x", "--format", "csv"]]) {
      const { status, stdout, stderr } = lossmith(args);
      expect([status, stdout]).toEqual([2, ""]);
      expect(stderr).toContain("--help");
    }
  }, 60_000);

  test("counts patterns of files, merges, inspects and draws", async () => {
    write("a.jsonl", '{"text": "Call me Ishmael."}\n');
    write("b.jsonl", '{"text": "Thar she blows!"}\noops\n');
    const counted = lossmith([
      "count",
      "*.jsonl",
      "-t",
      "r50k_base",
      "--end-of-text",
      "--skip-bad",
      "-o",
      "counts.parquet",
      "--json",
    ]);
    expect(counted.status).toBe(0);
    const summary = JSON.parse(counted.stdout);
    expect([summary.tokens, summary.documents, summary.skipped, summary.vocabulary.tokenizer]).toEqual([
      13,
      2,
      1,
      "r50k_base",
    ]);
    expect(counted.stderr).toMatch(/^lossmith: warning: 1 bad items were left out, beside 2 documents\. .*\n$/);

    write("again.parquet", readFileSync(join(folder, "counts.parquet")));
    // A file is taken once, however often it is named.
    const merged = lossmith(["merge", "counts.parquet", "again.parquet", "*.parquet", "-o", "twice.json"]);
    expect(merged).toMatchObject({ status: 0, stdout: "" });
    expect((await loadCounts(join(folder, "twice.json"))).tokens).toBe(26);

    const inspected = lossmith([
      "inspect",
      "twice.json",
      "-l",
      "powerLaw(0.5)",
      "-l",
      "powerLaw(1) | clip(0.1, 10)",
      "--plot",
      "w.svg",
      "--top",
      "3",
    ]);
    expect(inspected.status).toBe(0);
    for (const part of [
      /tokens +26\n/,
      /never seen +50 24\d \(100 %\)/,
      /<\|endoftext\|>/,
      /clip\(0\.1, 10\) ∘ powerLaw\(1\)/,
    ]) {
      expect(inspected.stdout).toMatch(part);
    }
    expect(read("w.svg")).toMatch(/^<svg[\s\S]*powerLaw\(1\) \| clip\(0\.1, 10\)[\s\S]*<\/svg>\s*$/);

    const json = lossmith(["inspect", "twice.json", "-l", "powerLaw(0.5)", "--json", "--plot", "w.html"]);
    const { counts, laws } = JSON.parse(json.stdout);
    expect([counts.tokens, counts.special[0].count, laws[0].law]).toEqual([26, 4, "powerLaw(0.5)"]);
    expect(laws[0].effectiveSampleSize).toBeGreaterThan(0.5);
    expect(read("w.html")).toMatch(/^<!doctype html>[\s\S]*<svg/);
  }, 120_000);

  test("reads standard input, and writes the counts alone to standard output", () => {
    const { status, stdout, stderr } = lossmith(
      ["count", "-", "--format", "uint16", "--vocab-size", "400"],
      "A\u0000B\u0000",
    );
    expect([status, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toMatchObject({ format: "lossmith counts", tokens: 2, steps: [66, 1], counts: [1, 1] });
  }, 60_000);

  test("reads standard input beside files with several workers, and each file once by whatever name", () => {
    ids("(1).uint16", [1, 2]);
    const args = ["count", "-", "(1).uint16", "./(1).uint16", "--format", "uint16", "--vocab-size", "400", "-w", "2"];
    const { status, stdout } = lossmith(args, "A\u0000B\u0000");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ tokens: 4, steps: [2, 1, 63, 1] });
  }, 60_000);

  test("names a tokenizer by its folder, which may be the current one", () => {
    const vocab = { a: 0, b: 1, "<eos>": 2 };
    const added = { id: 2, content: "<eos>", special: true };
    const [normalizer, pre_tokenizer, post_processor, decoder] = [null, null, null, null];
    const parts = { normalizer, pre_tokenizer, post_processor, decoder };
    const model = { type: "BPE", vocab, merges: [] };
    write("tokenizer.json", JSON.stringify({ ...parts, added_tokens: [added], model }));
    write("ab.txt", "ab");
    const { stdout } = lossmith(["count", "ab.txt", "-t", "tokenizer.json", "--end-of-text"]);
    expect(JSON.parse(stdout)).toMatchObject({ vocabulary: { size: 3, tokenizer: basename(folder) }, tokens: 3 });
  }, 60_000);

  test("says where standard output cannot be written, and is silent where its reader has seen enough", () => {
    ids("two.uint16", [1, 2]);
    const command = [process.execPath, ...runtimeArgs, script].map((part) => `'${part}'`).join(" ");
    const into = (end: string): Outcome =>
      spawnSync("bash", ["-c", `${command} count two.uint16 --vocab-size 400 ${end}`], {
        cwd: folder,
        encoding: "utf8",
      });
    const full = into("> /dev/full");
    expect(full.status).toBe(1);
    expect(full.stderr).toMatch(/^lossmith: standard output: [^\n]*\n$/);
    expect(into("| true").stderr).toBe("");
  }, 60_000);

  testOnce(
    "says in one line what is wrong, with the status 1, and leaves what was there",
    () => {
      write("kept.json", "what was there");
      ids("big.uint16", [1, 2, 500]);
      ids("small.uint16", [1, 2]);
      expect(lossmith(["count", "small.uint16", "--vocab-size", "3", "-o", "three.json"]).status).toBe(0);
      expect(lossmith(["count", "small.uint16", "--vocab-size", "4", "-o", "four.json"]).status).toBe(0);
      const wrong: readonly (readonly [readonly string[], RegExp])[] = [
        [["count", "big.uint16", "--vocab-size", "400", "-o", "kept.json"], /big\.uint16: the id at position 2 is 500/],
        [["count", "no*.txt", "-t", "r50k_base"], /no\*\.txt: no file matches the pattern/],
        [["count", "small.uint16", "-o", "x.csv"], /x\.csv: .* Name it \.parquet or \.json/],
        // What is wrong with the result is said before anything is read.
        [["count", "nowhere.uint16", "--vocab-size", "4", "--json"], /Name a file for them with --out/],
        [["count", "nowhere.uint16", "--vocab-size", "4", "-o", "no/x.json"], /no\/x\.json: its folder does not exist/],
        [["merge", "nowhere.json", "-o", "no/x.json"], /no\/x\.json: its folder does not exist/],
        [
          ["merge", "three.json", "four.json", "-o", "kept.json"],
          /three\.json has a vocabulary of 3 entries, four\.json one of 4/,
        ],
        [["inspect", "three.json", "-l", "power(1)"], /"power" is not known\. Give one of balanced/],
        [["inspect", "three.json", "--plot", "w.png"], /w\.png: .* Name it \.svg or \.html/],
        [["inspect", "kept.json"], /kept\.json: the JSON cannot be read/],
      ];
      for (const [args, message] of wrong) {
        const { status, stdout, stderr } = lossmith(args);
        expect([status, stdout]).toEqual([1, ""]);
        expect(stderr).toMatch(/^lossmith: [^\n]*\n$/);
        expect(stderr).toMatch(message);
      }
      expect(read("kept.json")).toBe("what was there");
    },
    120_000,
  );

  test("writes nothing where the disk is full or it is interrupted", async () => {
    write("kept.parquet", "what was there");
    ids("many.uint16", [...Array(65536).keys()]);
    const command = [process.execPath, ...runtimeArgs, script].map((part) => `'${part}'`).join(" ");
    const full = spawnSync(
      "bash",
      ["-c", `trap '' XFSZ; ulimit -f 8; ${command} count many.uint16 --vocab-size 65536 -o kept.parquet`],
      {
        cwd: folder,
        encoding: "utf8",
      },
    );
    expect(full.status).toBe(1);
    expect(full.stderr).toContain("kept.parquet: there is no space for it");

    spawnSync("mkfifo", ["endless.uint16"], { cwd: folder });
    const args = ["count", "endless.uint16", "--vocab-size", "65536", "-o", "kept.parquet"];
    for (const [signal, end] of [
      // Deno tells of a process that ended with the status 130 that the signal ended it.
      ["SIGINT", runtimeArgs.length === 0 ? 130 : "SIGINT"],
      ["SIGKILL", "SIGKILL"],
    ] as const) {
      const child = spawn(process.execPath, [...runtimeArgs, script, ...args], { cwd: folder, stdio: "ignore" });
      // A pipe opens when somebody reads it, so that the command is counting then.
      const fifo = await open(join(folder, "endless.uint16"), "w");
      await fifo.write(new Uint8Array(1 << 10));
      child.kill(signal);
      const ended = new Promise((resolve) => child.on("close", (status, by) => resolve(status ?? by)));
      expect(await ended).toBe(end);
      await fifo.close();
    }
    expect(read("kept.parquet")).toBe("what was there");
    expect(readdirSync(folder).filter((name) => name.endsWith(".part"))).toEqual([]);
  }, 60_000);
});

describe("laws of the command line", () => {
  const loss = pipe(crossEntropy, freqWeights(fromCounts([4, 2, 1])));

  test("are those of the library", () => {
    expect(show(lawsOf("powerLaw(0.5)")(loss))).toBe(show(powerLaw(0.5)(loss)));
    expect(show(lawsOf("powerLaw(-.5, {epsilon: .1})")(loss))).toBe(show(powerLaw(-0.5, { epsilon: 0.1 })(loss)));
    for (const law of [
      "powerLaw(0.5, { epsilon: 0.1 }) | clip(0.1, 2)",
      "balanced",
      "normalise('tokenMean')",
      'tlat("k2", {t: 2})',
      "inverseFrequency()",
      "override({ 0: 1, 2: 0.5 }) | ramp(0.5)",
      "stretchedExponential({ tau: 10, beta: 0.5 })",
    ]) {
      expect(lawsOf(law)(loss).focus?.laws).toHaveLength(law.split("|").length);
    }
  });

  test("are refused where they are none", () => {
    for (const law of [
      "",
      "powerLaw(",
      "powerLaw(x)",
      "nothing(1)",
      "balanced(1)",
      "powerLaw(1) |",
      "toString()",
      "powerLaw(-1e999)",
    ]) {
      expect(() => lawsOf(law)(loss)).toThrow(LossError);
    }
  });
});

describe("what people see", () => {
  test("a bar on a terminal alone", () => {
    expect(progressOn(new PassThrough() as never)).toBe(null);
    for (const [totalBytes, shown] of [
      [4e6, /50 % \| 2\.0 MB of 4\.0 MB \| [\d ]+ tokens\/s \| .* left/],
      [null, /2\.0 MB \| [\d ]+ tokens\/s/],
    ] as const) {
      const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 120 });
      const progress = progressOn(terminal as never);
      progress?.update({ bytes: 2e6, totalBytes, tokens: 1000 });
      progress?.end();
      progress?.end();
      let seen = "";
      for (let chunk = terminal.read(); chunk !== null; chunk = terminal.read()) seen += String(chunk);
      expect(seen).toMatch(shown);
    }
  });

  test("numbers and columns", () => {
    expect([grouped(1234567), grouped(12), bytes(0), bytes(999), bytes(1_234_000)]).toEqual([
      "1 234 567",
      "12",
      "0 B",
      "999 B",
      "1.2 MB",
    ]);
    expect(
      table(
        ["a", "n"],
        [
          ["𝛼x", "1"],
          ["b", "20"],
        ],
      ),
    ).toBe("a    n\n──  ──\n𝛼x   1\nb   20");
  });
});
