/** The page, docs/gallery.md. */
import { exportsIn } from "./code.ts";
import type { Picture, Section } from "./picture.ts";
import { given as ofSchedules } from "./schedules.ts";
import { withoutPicture } from "./withoutPicture.ts";

/** The exports that the page shows: in lines of code that have a curve, and in code within the text. */
export function shownIn(sections: readonly Section[]): readonly string[] {
  const texts = sections.flatMap(({ text, pictures }) => [text, ...pictures.map((picture) => picture.text)]);
  const inText = texts.flatMap((text) => text.match(/`[^`]+`/g) ?? []);
  const lines = sections.flatMap(({ pictures }) => pictures.flatMap(linesOf));
  return [...new Set([...lines, ...inText].flatMap(exportsIn))].sort();
}

function linesOf({ panels }: Picture): readonly string[] {
  return [...new Set(panels.flatMap(({ curves }) => curves.map(({ code }) => code)))];
}

/** Names that lines read and a reader has to have. */
const given: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(ofSchedules).map(([name, code]) => [name, `const ${name} = ${code};`])),
  counts: "const counts = [1000, 100000, 50000, 20000, 10000, 5000, 500, 100, 10, 1];",
  frequencies: "const frequencies = fromCounts([1000, 100000, 50000, 20000, 10000, 5000, 500, 100, 10, 1]);",
  sequences: "const sequences = [[1, 2, 3, 1, 2], [1, 3]];",
  vocabSize: "const vocabSize = 50257;",
};

/** The lines of a picture as a program that type-checks. */
function program(picture: Picture): string {
  const lines = linesOf(picture);
  // Laws come after a comma each, one list to a line.
  const entries = lines.map((code) =>
    /^[\w({})."]+\(.*\), \w/.test(code) && !code.startsWith("pipe") ? `[${code}]` : code,
  );
  const needs = Object.entries(given).filter(([name]) =>
    lines.some((code) => new RegExp(`(?<![.\\w])${name}\\b(?!:)`).test(code)),
  );
  const code = [...needs.map(([, line]) => line), `[${entries.join(", ")}]`].join("\n");
  return [
    `import { ${exportsIn(code).join(", ")} } from "lossmith";`,
    "",
    ...needs.map(([, line]) => line),
    ...(needs.length > 0 ? [""] : []),
    "export const lines = [",
    ...entries.map((entry) => `  ${entry},`),
    "];",
  ].join("\n");
}

function showPicture(picture: Picture): string {
  return [
    `### ${picture.heading}`,
    picture.text,
    `![${picture.heading}](gallery/${picture.name}.svg)`,
    `\`\`\`ts\n${program(picture)}\n\`\`\``,
  ].join("\n\n");
}

export function pageOf(sections: readonly Section[]): string {
  const rest = Object.entries(withoutPicture).map(([name, text]) => `- \`${name}\`: ${text}`);
  return `${[
    "# Gallery",
    "Each part of the vocabulary as a picture, drawn from the lines beside it by `npm run gallery` (examples/gallery). The curves of losses are of the float64 reference.",
    ...sections.flatMap(({ heading, text, pictures }) => [`## ${heading}`, text, ...pictures.map(showPicture)]),
    "## Without a picture",
    rest.join("\n"),
  ].join("\n\n")}\n`;
}
