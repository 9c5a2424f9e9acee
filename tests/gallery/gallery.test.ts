/** The gallery shows the whole vocabulary, and what is checked in is what its program draws. */
import { beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import * as lossmith from "lossmith";
import { draw } from "../../examples/gallery/draw.ts";
import { pageOf, shownIn } from "../../examples/gallery/page.ts";
import type { Section } from "../../examples/gallery/picture.ts";
import { allSections, sectionsWithoutCorpus } from "../../examples/gallery/sections.ts";
import { withoutPicture } from "../../examples/gallery/withoutPicture.ts";
import { startBackend } from "../support/backends.ts";

const docs = new URL("../../docs/", import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, docs), "utf8");

/** In place of the corpus, so that nothing has to be tokenized: a few counts of each size, in two sequences. */
const tokens = Array.from({ length: 300 }, (_, id) => Array.from({ length: id % 17 }, () => id)).flat();
const sequences = [tokens, tokens.filter((id) => id % 2 === 0)].map((ids) => Int32Array.from(ids));
const standIn = {
  addresses: sequences,
  frequencies: lossmith.mergeCounts(...sequences.map((ids) => lossmith.countTokens(ids, { vocabSize: 300 }))),
};

describe("the gallery", () => {
  let sections: readonly Section[] = [];
  beforeAll(async () => {
    await startBackend("cpu")();
    tf.tidy(() => {
      sections = allSections(standIn);
    });
  });

  test("shows every export, or says what it is", () => {
    const shown = shownIn(sections);
    const without = Object.keys(withoutPicture);
    expect(Object.keys(lossmith).filter((name) => !shown.includes(name) && !without.includes(name))).toEqual([]);
    expect(without.filter((name) => shown.includes(name) || !(name in lossmith))).toEqual([]);
  });

  test("is the page that is checked in: npm run gallery draws it anew", () => {
    // The formatter breaks lines of code and pads lists.
    const bare = (text: string): string => text.replace(/[\s,]+/g, "");
    expect(bare(read("gallery.md"))).toBe(bare(pageOf(sections)));
  });

  test("has the pictures that are checked in: npm run gallery draws them anew", async () => {
    const pictures = sections.flatMap((section) => section.pictures);
    expect(readdirSync(new URL("gallery/", docs)).sort()).toEqual(pictures.map(({ name }) => `${name}.svg`).sort());
    for (const picture of sectionsWithoutCorpus().flatMap((section) => section.pictures)) {
      expect(await draw(picture)).toBe(read(`gallery/${picture.name}.svg`));
    }
  });

  test("has curves of each line, none of which is empty or out of sight", () => {
    for (const { panels } of sections.flatMap((section) => section.pictures)) {
      for (const { curves, y } of panels) {
        const [lowest, highest] = y.domain ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
        for (const { code, points } of curves) {
          const seen = points.filter(([, height]) => height >= lowest && height <= highest);
          if (seen.length < points.length / 4) throw new Error(`${code} has ${seen.length} points of ${points.length}`);
        }
      }
    }
  });
});
