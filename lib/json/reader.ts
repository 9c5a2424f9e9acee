/**
 * Reading: references lead to the tables `shared` and `tables` of the document. An entry of `shared` may refer only to those before
 * it, so there are no cycles; what refers to one entry gets one object.
 */
import { LossError } from "../loss/error.ts";
import { nonNegativeNumbers } from "../loss/numbers.ts";
import { at, type Codec, type JSONValue, readNumber, wrong } from "./codec.ts";

/** How deep a document may be nested, references included: as deep as every interpreter of a loss can follow. */
export const deepest = 1000;

/** The LossError for what is nested deeper than that; of its path only the beginning says something. */
export function tooDeep(path: string): LossError {
  return new LossError(`${path.slice(0, 80)}…`, `it is nested more than ${deepest} deep`, "Compose it of fewer parts");
}

export interface Reader {
  /** What `read` makes of `json`, or of the entry that it refers to. `sort` tells what is read from what else may be there. */
  share<T>(json: unknown, path: string, sort: object, read: (json: unknown, path: string) => T): T;
  /** The one object of this name that has no parts. */
  leaf<T>(name: string, make: () => T): T;
  /** The numbers that `json` refers to: at least one, finite and not negative. */
  table(json: unknown, path: string): Float64Array;
}

interface Entry {
  readonly value: unknown;
  /** As what it has been read. */
  readonly sorts: Set<object>;
  /** How deep it is nested itself. */
  readonly height: number;
}

/** What `codec` reads; a LossError where something in the tables is not used. */
export function read<T>(codec: Codec<T>, json: unknown, shared: unknown, tables: unknown): T {
  const sharedEntries = arrayOf(shared, "$.shared");
  const tableEntries = arrayOf(tables, "$.tables");
  const entries = new Map<number, Entry>();
  const numbers = new Map<number, Float64Array>();
  const leaves = new Map<string, unknown>();
  let depth = 0;
  let reached = 0;
  let end = sharedEntries.length;

  const reach = (level: number, path: string): void => {
    if (level > deepest) throw tooDeep(path);
    reached = Math.max(reached, level);
  };

  const resolve = <R>(place: number, sort: object, readPart: (json: unknown, path: string) => R): R => {
    const path = `$.shared[${place}]`;
    const known = entries.get(place);
    if (known?.sorts.has(sort)) {
      reach(depth + known.height, path);
      return known.value as R;
    }
    const [outerReached, outerEnd] = [reached, end];
    [reached, end] = [depth, place];
    const value = readPart(sharedEntries[place], path);
    // What is read as a schedule here and as part of a loss there is one object in both.
    const entry = known ?? { value, sorts: new Set(), height: reached - depth };
    entry.sorts.add(sort);
    entries.set(place, entry);
    [reached, end] = [Math.max(outerReached, reached), outerEnd];
    return entry.value as R;
  };

  const reader: Reader = {
    share: (part, path, sort, readPart) => {
      depth++;
      reach(depth, path);
      const place = referenceOf(part, "ref", path);
      if (place !== null && !(place < end)) {
        throw new LossError(
          path,
          `it refers to $.shared[${place}]`,
          "Refer to an entry that is there and comes before",
        );
      }
      const result = place === null ? readPart(part, path) : resolve(place, sort, readPart);
      depth--;
      return result;
    },
    leaf: <R>(name: string, make: () => R): R => {
      if (!leaves.has(name)) leaves.set(name, make());
      return leaves.get(name) as R;
    },
    table: (reference, path) => {
      const place = referenceOf(reference, "table", path);
      if (place === null) throw wrong(path, reference, 'Give { "table": its number }');
      if (!(place < tableEntries.length)) {
        throw new LossError(path, `it refers to $.tables[${place}]`, "Refer to a table that is there");
      }
      const known = numbers.get(place) ?? tableOf(tableEntries[place], `$.tables[${place}]`);
      numbers.set(place, known);
      return known;
    },
  };
  const result = codec.read(json, reader, "$");
  refuseUnused(sharedEntries, entries, "$.shared");
  refuseUnused(tableEntries, numbers, "$.tables");
  return result;
}

function arrayOf(json: unknown, path: string): readonly unknown[] {
  if (json === undefined) return [];
  if (!Array.isArray(json)) throw wrong(path, json, "Give an array");
  return json;
}

/** The number in { [name]: number }; null where `json` is something else. */
function referenceOf(json: unknown, name: "ref" | "table", path: string): number | null {
  if (typeof json !== "object" || json === null || Array.isArray(json) || !Object.hasOwn(json, name)) return null;
  const place: unknown = (json as Readonly<Record<string, unknown>>)[name];
  if (Object.keys(json).length === 1 && Number.isSafeInteger(place) && (place as number) >= 0) return place as number;
  throw wrong(path, json, `Give { "${name}": n } with a whole number n of at least 0, and no other property`);
}

function tableOf(json: unknown, path: string): Float64Array {
  const entries = arrayOf(json, path).map((entry, i) => {
    const value = readNumber(entry);
    if (value === null) throw wrong(`${path}[${i}]`, entry, "Give a finite number of at least 0");
    return value;
  });
  return at(path, () => nonNegativeNumbers(entries, "table", "number"));
}

function refuseUnused(given: readonly unknown[], used: ReadonlyMap<number, unknown>, path: string): void {
  const unused = given.findIndex((_, place) => !used.has(place));
  if (unused >= 0) throw new LossError(`${path}[${unused}]`, "nothing refers to it", "Leave it out, or refer to it");
}

/** Numbers in a table. */
export const table: Codec<Float64Array> = {
  write: (numbers, writer): JSONValue => writer.table(numbers),
  read: (json, reader, path) => reader.table(json, path),
};
