/**
 * Descriptions of Debian's packages, from the lists that apt keeps on the machine. They are read where they lie and are no
 * part of this package: Debian states no licence for them.
 */
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";

/** Where apt keeps its lists. */
export const aptLists = "/var/lib/apt/lists";

/** What a package is. */
export interface Description {
  readonly package: string;
  /** One line. */
  readonly summary: string;
  /** The long description, in one line. */
  readonly text: string;
}

/** Descriptions, or why there are none. */
export type FoundDescriptions =
  | { readonly descriptions: readonly Description[]; readonly files: readonly string[] }
  | { readonly missing: string };

/** Reads all English descriptions of a folder of apt's. */
export async function loadDescriptions(folder: string): Promise<FoundDescriptions> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch {
    return { missing: `${folder} cannot be read: this system has no package lists of apt's there` };
  }
  const files = names.filter((name) => /_Translation-en(?:\.\w+)?$/.test(name)).sort();
  if (files.length === 0) {
    return {
      missing: `${folder} has no list of descriptions, a file …_Translation-en; as root, "apt-get -o Acquire::Languages=en update" fetches them`,
    };
  }
  try {
    const texts = await Promise.all(files.map((name) => readList(join(folder, name))));
    const byName = new Map<string, Description>();
    for (const description of texts.flatMap(parseDescriptions)) {
      if (!byName.has(description.package)) byName.set(description.package, description);
    }
    if (byName.size === 0) return { missing: `the lists of descriptions in ${folder} are empty` };
    return { descriptions: [...byName.values()], files };
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}

/** A list as text. Where it is compressed otherwise than by gzip, apt's own helper reads it. */
async function readList(path: string): Promise<string> {
  if (path.endsWith("_Translation-en")) return readFile(path, "utf8");
  if (path.endsWith(".gz")) return gunzipSync(await readFile(path)).toString("utf8");
  try {
    const { stdout } = await promisify(execFile)("/usr/lib/apt/apt-helper", ["cat-file", path], {
      maxBuffer: 2 ** 30,
      encoding: "utf8",
    });
    return stdout;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new Error(`${path} is compressed, and /usr/lib/apt/apt-helper cat-file does not read it (${reason})`);
  }
}

/**
 * Reads a list of descriptions: paragraphs of fields, "Description-en" being a line of summary and then, indented, the long
 * description, in which a full stop alone stands for an empty line. Packages without either part are left out. Source: Debian
 * Policy, 5.6.13.
 */
export function parseDescriptions(text: string): Description[] {
  return text.split(/\n{2,}/).flatMap((paragraph): Description[] => {
    const name = /^Package: *(\S+)/m.exec(paragraph)?.[1];
    const field = /^Description-en: *(.*)((?:\n[ \t].*)*)/m.exec(paragraph);
    if (name === undefined || field === null) return [];
    const [, summary, long] = field;
    const lines = long.split("\n").map((line) => line.trim());
    const body = lines
      .filter((line) => line !== ".")
      .join(" ")
      .replaceAll(/\s+/g, " ")
      .trim();
    return summary.trim() === "" || body === "" ? [] : [{ package: name, summary: summary.trim(), text: body }];
  });
}
