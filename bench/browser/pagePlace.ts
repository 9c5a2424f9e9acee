/** The calls of the webgl backend, in a page in headless Chromium. Times are taken in the page. */
import { findChromium, openPage, type Page } from "../../tests/browser/chromium.ts";
import type { Shape } from "../batches.ts";
import type { CompositionName } from "../compositions.ts";
import type { FormName } from "../forms.ts";
import type { KernelCounts } from "../kernelCounts.ts";
import type { PassName } from "../passes.ts";
import type { FollowedOutcome, OfForms, Place, Surroundings } from "../place.ts";
import type * as functions from "./page.ts";

/** A call on a software driver may take so long. */
const timeout = 600_000;

export class PagePlace implements Place {
  readonly #page: Page<typeof functions>;

  private constructor(page: Page<typeof functions>) {
    this.#page = page;
  }

  /** Starts webgl in a page, or rejects with what is missing. */
  static async start(): Promise<PagePlace> {
    if (findChromium() === null) {
      throw new Error(
        "there is no Chromium or Chrome. Install one (Debian: apt-get install chromium), or set CHROMIUM_PATH",
      );
    }
    const page = await openPage<typeof functions>({ module: new URL("./page.ts", import.meta.url), timeout });
    try {
      await page.run("start", null);
    } catch (error) {
      await page.close();
      throw error;
    }
    return new PagePlace(page);
  }

  close(): Promise<void> {
    return this.#page.close();
  }

  surroundings(): Promise<Surroundings> {
    return this.#ask("surroundings");
  }

  countKernels(): Promise<OfForms<KernelCounts>> {
    return this.#ask("countKernels");
  }

  load(shape: Shape): Promise<void> {
    return this.#ask("load", shape);
  }

  outcome(pass: PassName, form: FormName): Promise<FollowedOutcome> {
    return this.#ask("outcome", pass, form);
  }

  time(pass: PassName, form: FormName): Promise<number> {
    return this.#ask("time", pass, form);
  }

  timeCopy(): Promise<number> {
    return this.#ask("timeCopy");
  }

  unload(): Promise<void> {
    return this.#ask("unload");
  }

  heapGrowth(shape: Shape): Promise<OfForms<number> | null> {
    return this.#ask("heapGrowth", shape);
  }

  loadCompositions(shape: Shape): Promise<Readonly<Record<CompositionName, KernelCounts>>> {
    return this.#ask("loadCompositions", shape);
  }

  timeComposition(name: CompositionName): Promise<number> {
    return this.#ask("timeComposition", name);
  }

  unloadCompositions(): Promise<void> {
    return this.#ask("unloadCompositions");
  }

  async #ask<M extends keyof Place>(method: M, ...given: Parameters<Place[M]>): Promise<Awaited<ReturnType<Place[M]>>> {
    return (await this.#page.run("ask", { method, given })) as Awaited<ReturnType<Place[M]>>;
  }
}
