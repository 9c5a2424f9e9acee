import { LossError } from "../loss/error.ts";
import type { CorpusCounts } from "./corpusCounts.ts";
import { type CountTextOptions, type DocumentCounter, documentCounter } from "./documentCounter.ts";
import { fieldPath } from "./fieldPath.ts";
import { bytesOf, type TextSource } from "./items.ts";
import { linesOf } from "./lines.ts";

/** Where the text of a record is. */
export interface RecordOptions {
  /**
   * The path of the text that is counted; "text" by default. `messages[role=assistant].content` is each such text of a
   * conversation.
   */
  readonly field?: string;
  /**
   * The path of a prompt that is read before the text but not counted, where a model is trained on the text alone: the two
   * are encoded as one, and the tokens after as many as the prompt has are counted. Without it, or where prompt and
   * text are encoded each alone, the prompt is of no consequence.
   */
  readonly prompt?: string;
  /** Whether records that are wrong are left out, and counted as `skipped`; false by default. */
  readonly skipBad?: boolean;
}

/** Options of `countJsonLines`. */
export interface CountJsonLinesOptions extends CountTextOptions, RecordOptions {
  /** The number of the first line in errors; 1 by default. */
  readonly firstLine?: number;
}

/**
 * Counts the tokens of a text of each line of JSON, each line a document. Empty lines are passed over.
 *
 * @throws LossError for a line that is no JSON or not UTF-8, and one without the text, with the number of the line,
 * unless `skipBad`; and as `countText` does.
 *
 * @example
 * ```ts
 * import * as r50k from "gpt-tokenizer/encoding/r50k_base";
 * import { countJsonLines } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * const lines = '{"prompt": "2 + 2 =", "response": " 4"}\n{"prompt": "Name?"}\n';
 * const options = { tokenizer: r50k, field: "response", prompt: "prompt", skipBad: true };
 * const { counts, tokens, documents, skipped } = await countJsonLines(lines, options);
 * expect([counts[r50k.encode(" 4")[0]], tokens, documents, skipped]).toEqual([1, 1, 1, 1]);
 * ```
 */
export async function countJsonLines(source: TextSource, options: CountJsonLinesOptions): Promise<CorpusCounts> {
  const counter = await documentCounter(options, "countJsonLines");
  return counter.read(await countLines(counter, bytesOf(source, "countJsonLines(source)"), options));
}

/** Counts the lines of JSON, and says how many bad ones were left out. */
export async function countLines(
  counter: DocumentCounter,
  source: AsyncIterable<Uint8Array>,
  options: RecordOptions & { readonly firstLine?: number },
): Promise<number> {
  const count = recordCounter(counter, options, "countJsonLines");
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const { firstLine = 1, skipBad = false } = options;
  let [line, skipped] = [firstLine - 1, 0];
  for await (const lines of linesOf(source)) {
    for (const bytes of lines) {
      line++;
      const wrong = readLine(bytes, decoder, count, `line ${line}`);
      if (wrong === null) continue;
      if (!skipBad) throw wrongRecord("countJsonLines(source)", `line ${line}`, wrong);
      skipped++;
    }
  }
  return skipped;
}

/** Counts the record of a line, or says what is wrong with it. */
function readLine(bytes: Uint8Array, decoder: TextDecoder, count: RecordCounter, at: string): string | null {
  let value: unknown;
  try {
    const text = decoder.decode(bytes);
    if (text.trim() === "") return null;
    value = JSON.parse(text);
  } catch (error) {
    return error instanceof SyntaxError ? `it is no JSON: ${error.message}` : "it is not UTF-8";
  }
  return count(value, at);
}

/** What is thrown for a record that is wrong. */
export function wrongRecord(where: string, at: string, wrong: string): LossError {
  return new LossError(
    where,
    `${at}: ${wrong}`,
    "Mend it, name another field, or leave bad records out with skipBad (--skip-bad)",
  );
}

/** Counts the texts of a record, or says what is wrong with it; nothing of a wrong one is counted. */
export type RecordCounter = (record: unknown, at: string) => string | null;

export function recordCounter(counter: DocumentCounter, options: RecordOptions, where: string): RecordCounter {
  const { field = "text", prompt } = options;
  const textPath = fieldPath(field, `${where}({ field })`);
  const promptPath = prompt === undefined ? null : fieldPath(prompt, `${where}({ prompt })`);
  const { encode } = counter.tokenizer;
  return (record, at) => {
    const found = textPath(record);
    if ("wrong" in found) return found.wrong;
    const before = promptPath === null ? { texts: [] } : promptPath(record);
    if ("wrong" in before) return before.wrong;
    try {
      if (promptPath !== null) {
        const text = before.texts.join("");
        const whole = Array.from<number | bigint>(encode(text + found.texts.join("")));
        counter.add(whole.slice(encode(text).length) as readonly number[]);
      } else {
        for (const text of found.texts) {
          counter.push(text);
          counter.endText();
        }
      }
      counter.endDocument();
    } catch (error) {
      if (error instanceof LossError) throw new LossError(error.where, `${at}: ${error.what}`, error.remedy);
      throw error;
    }
    return null;
  };
}
