import process from "node:process";
import { LossError } from "../loss/error.ts";

/**
 * Writes to the standard output, and waits until it is written.
 *
 * @throws LossError where it cannot be. A reader that has seen enough, as head, is no error.
 */
export function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error?: NodeJS.ErrnoException | null) => {
      if (error === undefined || error === null || error.code === "EPIPE") {
        resolve();
      } else {
        const isFull = error.code === "ENOSPC" || error.code === "EFBIG" || error.code === "EDQUOT";
        reject(
          new LossError(
            "standard output",
            isFull ? "there is no space for it" : `it cannot be written: ${error.message}`,
            isFull ? "Free some, or write to another disk" : "Send it somewhere else",
          ),
        );
      }
    });
  });
}
