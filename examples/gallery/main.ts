/** `npm run gallery`: draws docs/gallery.md and its pictures anew. */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import process from "node:process";
import { loadCorpus } from "./corpus.ts";
import { draw } from "./draw.ts";
import { pageOf } from "./page.ts";
import { allSections } from "./sections.ts";

const docs = new URL("../../docs/", import.meta.url);
const folder = new URL("gallery/", docs);

await mkdir(folder, { recursive: true });
for (const file of await readdir(folder)) if (file.endsWith(".svg")) await rm(new URL(file, folder));

process.stderr.write("Counting the tokens of the State of the Union addresses …\n");
const sections = allSections(loadCorpus());
const pictures = sections.flatMap((section) => section.pictures);
for (const picture of pictures) await writeFile(new URL(`${picture.name}.svg`, folder), await draw(picture));
await writeFile(new URL("gallery.md", docs), pageOf(sections));
process.stderr.write(`${pictures.length} pictures in docs/gallery/\n`);
