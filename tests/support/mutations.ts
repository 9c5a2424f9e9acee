/** Random changes of JSON: what a slip of the pen, a bad merge or malice makes of a document. */
import fc from "fast-check";

type Path = readonly (string | number)[];

interface Spot {
  readonly path: Path;
  readonly value: unknown;
}

function spotsOf(json: unknown, path: Path = []): readonly Spot[] {
  const inner =
    typeof json === "object" && json !== null
      ? Object.entries(json).flatMap(([key, value]) =>
          spotsOf(value, [...path, Array.isArray(json) ? Number(key) : key]),
        )
      : [];
  return [{ path, value: json }, ...inner];
}

const names = [
  ...["nll", "logOdds", "value", "count", "step", "target", "weight", "prediction", "position", "vocabularySize"],
  ...["add", "weigh", "exp", "pow", "stopGradient", "select", "within", "classSum", "aggregate", "overColumns"],
  ...["ref", "table", "field", "view", "__proto__", "constructor", "toString", "kind", "-0", "NaN", "Infinity"],
  ...["labels", "values", "teacher", "sum", "perToken", "wholeRow", "input", "overridden", "parameter", ""],
];

const junk: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, undefined, [], {}, 0, -1, 1, 2, 0.5, 1e308, -1e308, Number.NaN, 5e-324),
  fc.constantFrom<unknown>(Number.POSITIVE_INFINITY, 2 ** 53, "text", () => 1, Symbol("s"), 1n, new Date(0)),
  fc.constantFrom(...names),
  fc.constantFrom(...names).map((name) => JSON.parse(`{${JSON.stringify(name)}: {}}`)),
  fc.tuple(fc.constantFrom("ref", "table"), fc.integer({ min: -1, max: 4 })).map(([name, n]) => ({ [name]: n })),
  fc.anything(),
);

/** `where` and `from` are spots of the document, as shares of their number. */
interface Change {
  readonly where: number;
  readonly from: number;
  readonly what: "junk" | "remove" | "insert" | "copy" | "like" | "wrap" | "rename";
  readonly junk: unknown;
  readonly name: string;
}

/** Without fast-check's liking for the ends. */
const anywhere = fc.noBias(fc.nat({ max: 2 ** 24 - 1 })).map((n) => n / 2 ** 24);

const change: fc.Arbitrary<Change> = fc.record({
  where: anywhere,
  from: anywhere,
  what: fc.constantFrom<Change["what"]>(
    "junk",
    "remove",
    "insert",
    "copy",
    "like",
    "like",
    "like",
    "like",
    "wrap",
    "rename",
  ),
  junk,
  name: fc.constantFrom(...names),
});

/** Sets an own property, "__proto__" too. */
function define(target: object, key: string | number, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function isAlike(a: string | number, b: string | number): boolean {
  return a === b || (typeof a === "number" && typeof b === "number");
}

function apply(document: unknown, { where, from, what, junk: value, name }: Change): unknown {
  const spots = spotsOf(document).slice(1);
  if (spots.length === 0) return value;
  const { path, value: old } = spots[Math.floor(where * spots.length)];
  const parent = path
    .slice(0, -1)
    .reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], document) as object;
  const key = path[path.length - 1];
  switch (what) {
    case "junk":
      define(parent, key, value);
      break;
    case "remove":
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else Reflect.deleteProperty(parent, key);
      break;
    case "insert":
      if (Array.isArray(parent)) parent.splice(Number(key), 0, structuredClone(old));
      else define(parent, name, value);
      break;
    case "copy":
      define(parent, key, structuredClone(spots[Math.floor(from * spots.length)].value));
      break;
    case "like": {
      // What stands at such a place elsewhere in the document.
      const alike = spots.filter(({ path: other }) => isAlike(other[other.length - 1], key));
      define(parent, key, structuredClone(alike[Math.floor(from * alike.length)].value));
      break;
    }
    case "wrap":
      define(parent, key, { [name]: old });
      break;
    case "rename":
      if (Array.isArray(parent)) break;
      Reflect.deleteProperty(parent, key);
      define(parent, name, old);
      break;
  }
  return document;
}

/** `json` after one to three changes. */
export function mutated(json: unknown): fc.Arbitrary<unknown> {
  return fc.array(change, { minLength: 1, maxLength: 3 }).map((changes) => {
    try {
      return changes.reduce(apply, structuredClone(json));
    } catch {
      // Functions and symbols cannot be cloned.
      return json;
    }
  });
}
