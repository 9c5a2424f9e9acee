/**
 * Writing: what several parts of a value share is written once, in the table `shared`, so that a composition takes as much room as it
 * has parts, and is shared again when it is read. Arrays of numbers are in the table `tables`.
 */
import { type Codec, type JSONValue, writeNumber } from "./codec.ts";
import { deepest, tooDeep } from "./reader.ts";

export interface Writer {
  /** What `write` gives, or a reference to it where `part` occurs more than once. */
  share(part: object, path: string, write: () => JSONValue): JSONValue;
  /** A reference to a table of these numbers. */
  table(numbers: Float64Array): JSONValue;
}

export interface Written {
  readonly json: JSONValue;
  readonly shared: readonly JSONValue[];
  readonly tables: readonly JSONValue[];
  /** How many parts there would be if each were written wherever it occurs. */
  readonly size: number;
}

export function write<T>(codec: Codec<T>, value: T): Written {
  const { uses, size } = count(codec, value);
  const shared: JSONValue[] = [];
  const tables: JSONValue[] = [];
  const places = new Map<object, number>();
  const placesOfTables = new Map<string, number>();
  const json = codec.write(
    value,
    {
      share: (part, _, writePart) => {
        if (uses.get(part) === 1) return writePart();
        const known = places.get(part);
        if (known !== undefined) return { ref: known };
        const ref = shared.push(writePart()) - 1;
        places.set(part, ref);
        return { ref };
      },
      table: (numbers) => {
        const written = Array.from(numbers, writeNumber);
        const key = written.join();
        const place = placesOfTables.get(key) ?? tables.push(written) - 1;
        placesOfTables.set(key, place);
        return { table: place };
      },
    },
    "$",
  );
  return { json, shared, tables, size };
}

/** How often each part occurs. */
function count<T>(codec: Codec<T>, value: T): { readonly uses: ReadonlyMap<object, number>; readonly size: number } {
  const uses = new Map<object, number>();
  const sizes = new Map<object, number>();
  let size = 0;
  let depth = 0;
  codec.write(
    value,
    {
      share: (part, path, writePart) => {
        const before = uses.get(part) ?? 0;
        uses.set(part, before + 1);
        if (before > 0) {
          size += sizes.get(part) ?? 0;
          return null;
        }
        if (depth >= deepest) throw tooDeep(path);
        const start = size++;
        depth++;
        writePart();
        depth--;
        sizes.set(part, size - start);
        return null;
      },
      table: () => null,
    },
    "$",
  );
  return { uses, size };
}
