/** The TypeScript examples of a Markdown file or of the documentation comments of a source. */

export interface ExampleBlock {
  /** The line of its first line of code. */
  readonly line: number;
  readonly code: string;
}

/** In Markdown and in documentation comments alike; what is marked "ts ignore" is no example that runs. */
const fences = /^([ \t]*(?:\* ?)?)```(\S*)([^\n]*)\n([\s\S]*?)^[ \t]*(?:\* ?)?```[ \t]*$/gm;

/** The examples of a text, in their order. */
export function exampleBlocks(text: string): readonly ExampleBlock[] {
  return [...text.matchAll(fences)].flatMap(({ index, 1: margin, 2: language, 3: rest, 4: body }) => {
    if (language !== "ts" || rest.includes("ignore")) return [];
    const star = margin.includes("*");
    const lines = body.split("\n").map((line) => (star ? line.replace(/^[ \t]*\* ?/, "") : line));
    return [{ line: text.slice(0, index).split("\n").length + 1, code: lines.join("\n") }];
  });
}
