/** Every example in the README, in docs/ and in documentation comments runs, and its expectations hold. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { useBackend } from "lossmith";
import { exampleBlocks } from "./exampleBlocks.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The Markdown files and sources in which examples are looked for. */
const files = [
  "README.md",
  "mod.ts",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
  ...readdirSync(join(root, "lib"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.includes("assembly"))
    .map((name) => join("lib", name)),
].sort();

// Within the package, so that "lossmith" is found as it is by a user.
const folder = mkdtempSync(join(root, ".examples-"));

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the code as a module. The package expect has no exports under Bun, which has the same functions of its own. */
async function run(name: string, code: string): Promise<void> {
  const path = join(folder, `${name.replace(/\W/g, "_")}.ts`);
  writeFileSync(path, code.replace('from "expect"', 'from "bun:test"'));
  await import(pathToFileURL(path).href);
}

describe("the examples of", () => {
  beforeEach(async () => {
    await useBackend("cpu");
  });

  for (const file of files) {
    for (const { line, code } of exampleBlocks(readFileSync(join(root, file), "utf8"))) {
      test(`${file}:${line}`, async () => {
        await run(`${file}_${line}`, code);
      });
    }
  }
});

describe("an example", () => {
  test("is found in Markdown and in comments, and not where it is to be ignored or of another language", () => {
    const comment = "/**\n * @example\n * ```ts\n * const a = 1;\n *\n * if (a) {\n *   a;\n * }\n * ```\n */";
    expect(exampleBlocks(comment)).toEqual([{ line: 4, code: "const a = 1;\n\nif (a) {\n  a;\n}\n" }]);
    expect(exampleBlocks("one\n\n```ts\nconst a = 1;\n```\n\n```sh\nls\n```\n\n```ts ignore\nb\n```\n")).toEqual([
      { line: 4, code: "const a = 1;\n" },
    ]);
  });

  test("that is wrong fails", async () => {
    const wrong = 'import { expect } from "expect";\nexpect(1).toBe(2);\n';
    await expect(run("wrong", wrong)).rejects.toThrow("Expected: 2");
    await expect(run("missing", 'import { absent } from "lossmith";\nabsent();\n')).rejects.toThrow("absent");
  });
});
