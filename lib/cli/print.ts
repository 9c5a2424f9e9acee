import process from "node:process";
import { LossError } from "../loss/error.ts";

/**
 * Writes to the standard output, and waits until it is written.
 *
 * @throws LossError where it cannot be. A reader that has seen enough, as head, is no error.
 */
export async function print(text: string): Promise<void> {
  try {
    // Deno throws at once what others tell the callback.
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(text, (error?: Error | null) => (error ? reject(error) : resolve()));
    });
  } catch (error) {
    const { code, name, message } = error as NodeJS.ErrnoException;
    if (code === "EPIPE" || name === "BrokenPipe") return;
    const isFull = ["ENOSPC", "EFBIG", "EDQUOT"].includes(code ?? "");
    throw new LossError(
      "standard output",
      isFull ? "there is no space for it" : `it cannot be written: ${message}`,
      isFull ? "Free some, or write to another disk" : "Send it somewhere else",
    );
  }
}
