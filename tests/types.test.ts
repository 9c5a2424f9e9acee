/** Ill-kinded compositions do not compile, and the message says why; well-kinded ones compile. */
import { beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = new URL("./types/", import.meta.url);
const illKinded = readFileSync(new URL("illKinded.ts", folder), "utf8").split("\n");

/** Messages by file and line, the details indented under them included. */
let messages: { readonly file: string; readonly line: number; text: string }[] = [];

beforeAll(() => {
  const tsc = fileURLToPath(new URL("../node_modules/.bin/tsc", import.meta.url));
  const { stdout } = spawnSync(tsc, ["--project", fileURLToPath(folder), "--pretty", "false"], { encoding: "utf8" });
  messages = [];
  for (const line of stdout.split("\n")) {
    const start = /(\w+)\.ts\((\d+),\d+\): error (.*)/.exec(line);
    if (start !== null) messages.push({ file: start[1], line: Number(start[2]), text: start[3] });
    else if (messages.length > 0) messages[messages.length - 1].text += `\n${line}`;
  }
}, 60_000);

describe("types", () => {
  for (const [i, comment] of illKinded.entries()) {
    const expected = /^\/\/ error: (.*)$/.exec(comment)?.[1];
    if (expected === undefined) continue;
    test(`refuses ${illKinded[i + 1]}`, () => {
      const found = messages.filter(({ file, line }) => file === "illKinded" && line === i + 2);
      expect(found.length).toBe(1);
      for (const part of expected.split(" | ")) expect(found[0].text).toContain(part);
    });
  }

  test("accepts every well-kinded composition, and refuses nothing else", () => {
    const expected = illKinded.filter((line) => line.startsWith("// error: ")).length;
    expect(messages.filter(({ file }) => file !== "illKinded")).toEqual([]);
    expect(messages.length).toBe(expected);
  });
});
