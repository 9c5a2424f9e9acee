import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { loadDescriptions, parseDescriptions } from "../../examples/corpora/debian.ts";
import { loadChapters } from "../../examples/corpora/mobyDick.ts";
import { loadSynsets, parseSynsets } from "../../examples/corpora/wordnet.ts";
import { definitions } from "../../examples/define/definitions.ts";
import { passagesOf } from "../../examples/style/passages.ts";
import { texts } from "../../examples/style/texts.ts";
import { loadDocuments, meanings, summaries } from "../../examples/summarise/documents.ts";

const folder = mkdtempSync(join(tmpdir(), "lossmith-lists-"));

afterAll(() => rmSync(folder, { recursive: true }));

const list = `Package: frobnicate
Description-md5: 0123
Description-en: Frobs: turns things
 Frobnicate turns things that
 should be turned.
 .
 It has:
  * a handle
  * a wheel

Package: libfrob1
Description-md5: 4567
Description-en_GB: colour library
 Not this one.

Package: summary-only
Description-en: nothing more

Package: libfrob-dev
Description-md5: 89ab
Description-en: library of frobs - headers
 What Package: this is, one may ask.
`;

describe("Debian's descriptions", () => {
  const expected = [
    {
      package: "frobnicate",
      summary: "Frobs: turns things",
      text: "Frobnicate turns things that should be turned. It has: * a handle * a wheel",
    },
    { package: "libfrob-dev", summary: "library of frobs - headers", text: "What Package: this is, one may ask." },
  ];

  /** A folder of lists. */
  const listsIn = (name: string, files: Readonly<Record<string, string | Uint8Array>>): string => {
    const path = join(folder, name);
    mkdirSync(path);
    for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content);
    return path;
  };

  test("are read from paragraphs that have both parts", () => {
    expect(parseDescriptions(list)).toEqual(expected);
    expect(parseDescriptions("")).toEqual([]);
  });

  test("are found among apt's lists, plain and compressed, each package once", async () => {
    const other =
      "Package: frobnicate\nDescription-en: of another release\n Text.\n\nPackage: zap\nDescription-en: zaps\n Zap!\n";
    const path = listsIn("mixed", {
      "a_main_i18n_Translation-en": list,
      "b_main_i18n_Translation-en.gz": gzipSync(other),
      "b_main_i18n_Translation-de": "Package: x\nDescription-de: y\n z\n",
      "b_main_binary-amd64_Packages": "Package: x\n",
    });
    const found = await loadDescriptions(path);
    expect(found).toEqual({
      descriptions: [...expected, { package: "zap", summary: "zaps", text: "Zap!" }],
      files: ["a_main_i18n_Translation-en", "b_main_i18n_Translation-en.gz"],
    });
  });

  test("say why there are none", async () => {
    const missing = async (path: string): Promise<string> => {
      const found = await loadDescriptions(path);
      return "missing" in found ? found.missing : "found";
    };
    expect(await missing(join(folder, "nowhere"))).toMatch(/nowhere cannot be read/);
    expect(await missing(listsIn("packages", { b_Packages: "" }))).toMatch(/no list of descriptions.*apt-get/);
    expect(await missing(listsIn("empty", { "a_Translation-en": "" }))).toMatch(/are empty/);
    expect(await missing(listsIn("odd", { "a_Translation-en.lz4": "no lz4" }))).toMatch(/a_Translation-en\.lz4/);
  });

  test("give way to WordNet's glosses, and the user is told", async () => {
    const told: string[] = [];
    const { source, pairs } = await loadDocuments(join(folder, "nowhere"), (line) => told.push(line));
    expect(told.length).toBe(1);
    expect(told[0]).toMatch(/nowhere cannot be read.*WordNet/);
    expect(source.join()).toMatch(/WordNet 3\.1.*no package descriptions/);
    expect(pairs.length).toBeGreaterThan(30_000);
    const [debian] = summaries(expected);
    expect(debian).toEqual({
      key: "Frobnicate turns things that should be turned. It has: * a h",
      document: expected[0].text,
      response: " Frobs: turns things",
    });
  });
});

describe("WordNet's synsets", () => {
  test("are read from data files, without examples and without the licence", () => {
    const text = `  1 This software and database | is "licensed"
00003938 00 a 02 dying 0 near_death(p) 0 003 ! 00003356 a 0101 | in or "near" the end; or so; "a dying man"; Pope says: "his wish"
00005930 03 n 0a a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 j_k 0 001 @ 00004475 n 0000 | ten words
00005931 03 r 01 so 0 000 | "so be it"
`;
    expect(parseSynsets(text)).toEqual([
      {
        words: ["dying", "near death"],
        partOfSpeech: "adjective",
        definition: 'in or "near" the end; or so',
        examples: ["a dying man", "his wish"],
      },
      {
        words: ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j k"],
        partOfSpeech: "noun",
        definition: "ten words",
        examples: [],
      },
    ]);
  });

  test("are there, and make pairs", async () => {
    const synsets = await loadSynsets();
    expect(synsets.length).toBeGreaterThan(117_000);
    const dwarf = synsets.filter(({ words, definition }) => words[0] === "dwarf" && definition.startsWith("a plant"));
    const definition = "a plant or animal that is atypically small";
    expect(definitions(dwarf)).toEqual([{ key: "dwarf", document: "dwarf (noun)", response: ` ${definition}` }]);
    const used = [{ ...dwarf[0], examples: ["a dwarf of a tree", "two dwarfs"] }, ...dwarf];
    expect(meanings(used)).toEqual([
      { key: "dwarf", document: "dwarf (noun): a dwarf of a tree; two dwarfs.", response: ` ${definition}` },
    ]);
  });
});

describe("passages", () => {
  test("are sentences and what follows, each response being the next prompt", () => {
    const text = "One two. Three four five;\nsix seven eight. Nine ten. Eleven.";
    expect(passagesOf(text, "k", { prompt: 3, response: 2 })).toEqual([
      { key: "k", document: "One two. Three four five;", response: " six seven eight." },
      { key: "k", document: "six seven eight.", response: " Nine ten." },
    ]);
    expect(passagesOf("One two.", "k", { prompt: 3, response: 2 })).toEqual([]);
  });

  test("cover the texts", () => {
    expect(loadChapters().length).toBe(139);
    for (const [name, load] of Object.entries(texts)) {
      const { documents } = load();
      expect([name, documents.length > 30]).toEqual([name, true]);
      expect(new Set(documents.map(({ key }) => key)).size).toBeGreaterThan(0.9 * documents.length);
    }
  });
});
