/**
 * A codec writes a value as JSON and reads it back. The codecs of records and of tagged unions are derived from one description,
 * in which the compiler wants every property of every kind: a kind that is added to the language without its codec does
 * not compile.
 *
 * Law, for every value that the constructors of the language make: `read(write(value))` equals `value`.
 */
import { LossError } from "../loss/error.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** A JSON value. */
export type JSONValue =
  | null
  | boolean
  | number
  | string
  | readonly JSONValue[]
  | { readonly [property: string]: JSONValue };

/** `path` is where the value stands, as in "$.terms[0].value", for error messages. */
export interface Codec<T> {
  write(value: T, writer: Writer, path: string): JSONValue;
  read(json: unknown, reader: Reader, path: string): T;
  /** The value that a property has where it is left out. */
  readonly absent?: { readonly value: T | undefined; readonly is: (value: T) => boolean };
}

// ---------------------------------------------------------------------------------------------------------- errors

/** What was found in place of what was expected. */
export function showFound(json: unknown): string {
  if (Array.isArray(json)) return `an array of ${json.length}`;
  if (typeof json === "string") return JSON.stringify(json.length > 40 ? `${json.slice(0, 40)}…` : json);
  if (typeof json !== "object" || json === null) return String(json);
  const names = Object.keys(json).map((name) => JSON.stringify(name.slice(0, 40)));
  const more = names.length > 4 ? ", …" : "";
  return names.length === 0 ? "an empty object" : `an object with ${names.slice(0, 4).join(", ")}${more}`;
}

export function wrong(path: string, json: unknown, remedy: string): LossError {
  return new LossError(path, `got ${showFound(json)}`, remedy);
}

/** For parts that the type checker has not seen. */
export function unknownKind(path: string, kind: string): LossError {
  return new LossError(path, `${showFound(kind)} has no meaning here`, "Give what the functions of language make");
}

/** What `make` gives; a LossError that it throws names `path` too. */
export function at<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof LossError)) throw error;
    throw new LossError(path, `${error.where}: ${error.what}`, error.remedy);
  }
}

// ------------------------------------------------------------------------------------------------------ primitives

/** The float64s that JSON has no number for. */
const numbersByName: Readonly<Record<string, number>> = {
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
  NaN: Number.NaN,
  "-0": -0,
};

export function writeNumber(value: number): number | string {
  if (Object.is(value, -0)) return "-0";
  return Number.isFinite(value) ? value : String(value);
}

/** The number that `json` stands for; null where it stands for none. */
export function readNumber(json: unknown): number | null {
  if (typeof json === "number" && Number.isFinite(json)) return json;
  return typeof json === "string" && Object.hasOwn(numbersByName, json) ? numbersByName[json] : null;
}

export const number: Codec<number> = {
  write: writeNumber,
  read: (json, _, path) => {
    const value = readNumber(json);
    if (value === null) throw wrong(path, json, 'Give a number, or "Infinity", "-Infinity", "NaN" or "-0"');
    return value;
  },
};

export const text: Codec<string> = {
  write: (value) => value,
  read: (json, _, path) => {
    if (typeof json !== "string") throw wrong(path, json, "Give a string");
    return json;
  },
};

export const flag: Codec<boolean> = {
  write: (value) => value,
  read: (json, _, path) => {
    if (typeof json !== "boolean") throw wrong(path, json, "Give true or false");
    return json;
  },
};

/** One of a few strings; the record is to have every one. */
export function oneOf<T extends string>(values: Readonly<Record<T, true>>): Codec<T> {
  return {
    write: (value) => value,
    read: (json, _, path) => {
      if (typeof json === "string" && Object.hasOwn(values, json)) return json as T;
      throw wrong(path, json, `Give ${listed(Object.keys(values))}`);
    },
  };
}

function listed(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(", ");
}

// ---------------------------------------------------------------------------------------------------- combinators

export function nullable<T>(codec: Codec<T>): Codec<T | null> {
  return {
    write: (value, writer, path) => (value === null ? null : codec.write(value, writer, path)),
    read: (json, reader, path) => (json === null ? null : codec.read(json, reader, path)),
  };
}

/** The codec of a property that is left out where it is `value`. */
export function optional<T>(
  codec: Codec<T>,
  value: T,
  is: (other: T) => boolean = (o) => Object.is(o, value),
): Codec<T> {
  return { ...codec, absent: { value, is } };
}

/** The codec of a property that a value may lack. */
export function omittable<T>(codec: Codec<T>): Codec<T> {
  return { ...codec, absent: { value: undefined, is: () => false } };
}

/** The codec of something that contains itself. */
export function lazily<T>(codec: () => Codec<T>): Codec<T> {
  return {
    write: (value, writer, path) => codec().write(value, writer, path),
    read: (json, reader, path) => codec().read(json, reader, path),
  };
}

export function list<T>(codec: Codec<T>): Codec<readonly T[]> {
  return {
    write: (values, writer, path) => values.map((value, i) => codec.write(value, writer, `${path}[${i}]`)),
    read: (json, reader, path) => {
      if (!Array.isArray(json)) throw wrong(path, json, "Give an array");
      return Array.from(json, (entry, i) => codec.read(entry, reader, `${path}[${i}]`));
    },
  };
}

/** The codec that reads what `codec` reads and makes `make` of it; a LossError of `make` names the path. */
export function checked<T>(codec: Codec<T>, make: (value: T) => T): Codec<T> {
  return {
    ...codec,
    read: (json, reader, path) => {
      const value = codec.read(json, reader, path);
      return at(path, () => make(value));
    },
  };
}

/** The codec of what may occur in several places and is one object there. */
export function shared<T extends object>(codec: Codec<T>): Codec<T> {
  const self: Codec<T> = {
    write: (value, writer, path): JSONValue => writer.share(value, path, () => codec.write(value, writer, path)),
    read: (json, reader, path) => reader.share(json, path, self, (part, where) => codec.read(part, reader, where)),
  };
  return self;
}

/** A codec for each property of T but its kind. */
export type Properties<T> = {
  readonly [P in keyof T as P extends "kind" ? never : P]-?: Codec<Exclude<T[P], undefined>>;
};

/** Whether no property of `value` has to be written. */
export function isBare(value: object, properties: Readonly<Record<string, Codec<never>>>): boolean {
  return Object.entries(properties).every(([name, codec]) => {
    const property = (value as Readonly<Record<string, unknown>>)[name];
    return property === undefined || (codec.absent?.is(property as never) ?? false);
  });
}

/** The codec of a record. */
export function object<T extends object>(properties: Properties<T>): Codec<T> {
  const codecs = properties as Readonly<Record<string, Codec<unknown>>>;
  return {
    write: (value, writer, path) => {
      const written: Record<string, JSONValue> = {};
      for (const [name, codec] of Object.entries(codecs)) {
        const property = (value as Readonly<Record<string, unknown>>)[name];
        if (property === undefined || codec.absent?.is(property) === true) continue;
        written[name] = codec.write(property, writer, `${path}.${name}`);
      }
      return written;
    },
    read: (json, reader, path) => {
      const given = plainObject(json, path);
      const names = Object.keys(codecs);
      const unknown = Object.keys(given).find((name) => !Object.hasOwn(codecs, name));
      if (unknown !== undefined) {
        throw new LossError(path, `the property ${showFound(unknown)} is unknown`, `Give ${listed(names) || "none"}`);
      }
      const value: Record<string, unknown> = {};
      for (const name of names) {
        const { absent } = codecs[name];
        if (Object.hasOwn(given, name)) value[name] = codecs[name].read(given[name], reader, `${path}.${name}`);
        else if (absent === undefined) {
          throw new LossError(path, `the property "${name}" is missing`, `Give ${listed(names)}`);
        } else if (absent.value !== undefined) value[name] = absent.value;
      }
      return value as T;
    },
  };
}

export function plainObject(json: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  throw wrong(path, json, "Give an object");
}

/** The member of a union of kinds that is of kind K. */
export type OfKind<T extends { readonly kind: string }, K> = T extends unknown
  ? K extends T["kind"]
    ? T
    : never
  : never;

/** A codec for each property of each kind of a union. */
export type Kinds<T extends { readonly kind: string }> = { readonly [K in T["kind"]]: Properties<OfKind<T, K>> };

/** What some kinds are made by, in place of a plain record. */
export type Makers<T extends { readonly kind: string }, R> = { readonly [K in T["kind"]]?: (value: OfKind<T, K>) => R };

/** The codec of a union of kinds, `{ "the kind": { its properties } }`. */
export function tagged<T extends { readonly kind: string }>(kinds: Kinds<T>): Codec<T> {
  const codecs = new Map<string, Codec<T>>(
    Object.entries(kinds).map(([kind, properties]) => [kind, object<T>(properties as Properties<T>)]),
  );
  const remedy = `Give an object with one of the properties ${listed([...codecs.keys()])}`;
  return {
    write: (value, writer, path) => {
      const codec = codecs.get(value.kind);
      if (codec === undefined) throw unknownKind(path, value.kind);
      return { [value.kind]: codec.write(value, writer, `${path}.${value.kind}`) };
    },
    read: (json, reader, path) => {
      const [kind, content] = onlyProperty(json, path, remedy);
      const codec = codecs.get(kind);
      if (codec === undefined) throw wrong(path, json, remedy);
      return { ...codec.read(content, reader, `${path}.${kind}`), kind };
    },
  };
}

/** The name and the value of the one property of an object. */
export function onlyProperty(json: unknown, path: string, remedy: string): readonly [string, unknown] {
  const entries = Object.entries(typeof json === "object" && json !== null && !Array.isArray(json) ? json : {});
  if (entries.length !== 1) throw wrong(path, json, remedy);
  return entries[0];
}
