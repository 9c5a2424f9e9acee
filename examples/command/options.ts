/** Command lines: pure functions from arguments to options, a request for help, or an error. */
import { parseArgs } from "node:util";

/** A command line as it was understood. */
export type Command<Options> =
  | { readonly kind: "run"; readonly options: Options }
  | { readonly kind: "help" }
  | { readonly kind: "error"; readonly message: string };

/** Reads the value of an option, or says what would be right. */
export type Reader<Options> = (value: string) => Partial<Options> | string;

/** What each option, by its name without dashes, changes: a reader of its value, or for a flag the change itself. */
export type Readers<Options> = Readonly<Record<string, Reader<Options> | Partial<Options>>>;

/** Reads the arguments that follow the script's name. */
export function parseCommand<Options>(
  args: readonly string[],
  readers: Readers<Options>,
  defaults: Options,
): Command<Options> {
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: {
      ...Object.fromEntries(
        Object.entries(readers).map(([name, reader]) => [
          name,
          { type: typeof reader === "function" ? "string" : "boolean" } as const,
        ]),
      ),
      help: { type: "boolean", short: "h" },
    },
  });
  let options = defaults;
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") return error(`unexpected argument "${token.value}"; options begin with --`);
    if (token.name === "help") return { kind: "help" };
    const reader = Object.hasOwn(readers, token.name) ? readers[token.name] : undefined;
    if (reader === undefined) {
      return error(`unknown option ${token.rawName}; the options are --${Object.keys(readers).join(", --")}, --help`);
    }
    if (typeof reader !== "function") {
      if (token.value !== undefined) return error(`${token.rawName} takes no value, and has "${token.value}"`);
      options = { ...options, ...reader };
      continue;
    }
    const read = reader(token.value ?? "");
    if (typeof read === "string") {
      return error(
        `${token.rawName} ${token.value === undefined ? "has no value" : `is "${token.value}"`}; give ${read}`,
      );
    }
    options = { ...options, ...read };
  }
  return { kind: "run", options };
}

function error(message: string): { readonly kind: "error"; readonly message: string } {
  return { kind: "error", message };
}
