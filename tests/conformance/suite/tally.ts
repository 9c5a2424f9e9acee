/** Counting what passed and what failed, in any runtime. */

/** What a part of the suite found. */
export interface PartResult {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  /** The first failures, each with what reproduces it. */
  readonly failures: readonly string[];
  /** The largest relative error that was measured; null where nothing is. JSON has no ∞: the largest number is. */
  readonly maxError: number | null;
}

/** Failures beyond these are counted, not told. */
const told = 10;

export class Tally {
  #passed = 0;
  #failed = 0;
  #maxError: number | null = null;
  readonly #failures: string[] = [];

  check(holds: boolean, failure: () => string): void {
    if (holds) {
      this.#passed += 1;
      return;
    }
    this.#failed += 1;
    if (this.#failures.length < told) this.#failures.push(failure());
  }

  /** Checks that the largest of some relative errors is at most `tolerance`. */
  within(errors: readonly number[], tolerance: number, failure: (error: number) => string): void {
    const error = Math.max(0, ...errors);
    const written = Number.isFinite(error) ? error : Number.MAX_VALUE;
    this.#maxError = Math.max(this.#maxError ?? 0, written);
    this.check(error <= tolerance, () => `${failure(error)} (an error of ${error}, more than ${tolerance})`);
  }

  /** Runs a check that may throw, which is a failure of it. */
  async attempt(name: string, run: () => void | Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.check(false, () => `${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }

  result(name: string): PartResult {
    return {
      name,
      passed: this.#passed,
      failed: this.#failed,
      failures: this.#failures,
      maxError: this.#maxError,
    };
  }
}
