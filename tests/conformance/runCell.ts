/** Runs one cell of the matrix where it belongs: in a process of its runtime, or in a page. */
import { fileURLToPath } from "node:url";
import { type Driver, driverFor, type Runtime, resultsOf } from "../support/runtimes.ts";
import { type Cell, nameOf } from "./cells.ts";
import { runInChromium } from "./chromiumCell.ts";
import { bundleForNode, type NodeBundle } from "./nodeBundle.ts";
import type { SuiteOptions, SuiteResult, Watch } from "./suite/suite.ts";

/** What a cell found, under which version of its runtime. */
export interface CellResult extends SuiteResult {
  readonly version: string;
}

export type Outcome =
  | { readonly cell: Cell; readonly result: CellResult; readonly seconds: number }
  /** What it lacks, and what to install; on CI that is a failure. */
  | { readonly cell: Cell; readonly missing: string }
  /** Why it ended without a result. */
  | { readonly cell: Cell; readonly broken: string };

export class CellRunner {
  readonly #timeout: number;
  readonly #drivers = new Map<Runtime, Promise<Driver>>();
  #bundle: Promise<NodeBundle> | null = null;

  /** A cell may take so many milliseconds. */
  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  async run(cell: Cell, options: SuiteOptions, watch: Watch): Promise<Outcome> {
    const started = performance.now();
    try {
      const result = await this.#resultOf(cell, options, watch);
      if (typeof result === "string") return { cell, missing: result };
      return { cell, result, seconds: (performance.now() - started) / 1000 };
    } catch (error) {
      return { cell, broken: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Removes what was made for the cells. */
  async end(): Promise<void> {
    (await this.#bundle?.catch(() => null))?.remove();
  }

  async #resultOf(cell: Cell, options: SuiteOptions, watch: Watch): Promise<CellResult | string> {
    const { runtime, backend } = cell;
    if (runtime === "Chromium") return runInChromium(options, watch, this.#timeout);
    const driver = backend === "webgpu" ? await this.#driverFor(runtime) : { driver: undefined };
    if ("missing" in driver) return driver.missing;
    const path = runtime === "Node" ? (await this.#bundled()).path : programOf("cell.ts");
    return resultsOf<CellResult>({
      ...{ runtime, path, arguments: [JSON.stringify(options)], timeout: this.#timeout },
      driver: driver.driver ?? null,
      watch: (line) => {
        if (!line.startsWith("progress ")) return;
        const { part, share } = JSON.parse(line.slice("progress ".length)) as { part: string; share: number };
        watch(part, share);
      },
    }).catch((error: unknown) => {
      throw new Error(`${nameOf(cell)}: ${error instanceof Error ? error.message : String(error)}`);
    });
  }

  #driverFor(runtime: Runtime): Promise<Driver> {
    const known = this.#drivers.get(runtime) ?? driverFor(runtime);
    this.#drivers.set(runtime, known);
    return known;
  }

  #bundled(): Promise<NodeBundle> {
    this.#bundle ??= bundleForNode();
    return this.#bundle;
  }
}

function programOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
