/**
 * A document: what it is of, the version of its format, and the tables that its parts refer to, around the properties of the value
 * itself.
 */
import { LossError } from "../loss/error.ts";
import { type Codec, type JSONValue, plainObject, showFound, wrong } from "./codec.ts";
import { read } from "./reader.ts";
import { write } from "./writer.ts";

/** A JSON object. */
export type JSONObject = { readonly [property: string]: JSONValue };

/** The version of the format that is written. All versions up to it are read. */
const version = 1;

/** What documents are of. */
export interface Format<T extends object> {
  readonly noun: "loss" | "law" | "field" | "schedule";
  /** Writes the value as an object, whose properties are those of the document. */
  readonly codec: Codec<T>;
  /** The value as formulas for people, one a line. */
  readonly show: (value: T) => string;
}

/** Beyond these a formula says less than the document. */
const [mostParts, mostCharacters] = [500, 2000];

export function toDocument<T extends object>({ noun, codec, show }: Format<T>, value: T): JSONObject {
  const { json, shared, tables, size } = write(codec, value);
  const shown = size <= mostParts ? show(value) : "";
  return {
    format: `lossmith ${noun}`,
    version,
    ...(shown === "" || shown.length > mostCharacters ? {} : { expression: shown.split("\n") }),
    ...(json as JSONObject),
    ...(shared.length === 0 ? {} : { shared }),
    ...(tables.length === 0 ? {} : { tables }),
  };
}

export function fromDocument<T extends object>({ noun, codec }: Format<T>, json: unknown): T {
  if (typeof json === "string") throw wrong("$", json, `Give the value that the text is of, by JSON.parse(text)`);
  const { format, version: written, expression, shared, tables, ...value } = plainObject(json, "$");
  if (format !== `lossmith ${noun}`) {
    throw wrong("$.format", format, `Give "lossmith ${noun}", as ${noun}ToJSON writes it`);
  }
  if (!Number.isSafeInteger(written) || (written as number) < 1) throw wrong("$.version", written, `Give ${version}`);
  if ((written as number) > version) {
    throw new LossError(
      "$.version",
      `it was written by a newer lossmith, in version ${showFound(written)} of the format; this one reads up to ${version}`,
      "Update lossmith",
    );
  }
  if (
    expression !== undefined &&
    !(Array.isArray(expression) && expression.every((line) => typeof line === "string"))
  ) {
    throw wrong("$.expression", expression, "Give an array of strings, or leave it out");
  }
  return read(codec, value, shared, tables);
}
