/** A visit to the page: what a visitor does there, and reads. */
import type { Browser, Page } from "playwright-core";

export interface VisitOptions {
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: "light" | "dark";
  /** Runs in the page before its own scripts. */
  readonly before?: () => void;
}

/** A row of the page's table of numbers. */
export interface Row {
  readonly step: number;
  readonly model: string;
  readonly loss: number;
  readonly crossEntropy: number;
  readonly rare: number;
  readonly scheduled: string;
}

export interface Visit {
  readonly page: Page;
  /** What the page, or the browser about it, complained of. */
  readonly complaints: readonly string[];
  /** The text of an element, by its id. */
  read(id: string): Promise<string>;
  rows(): Promise<readonly Row[]>;
  /** Presses Start; resolves to the status when the run has ended. */
  runToEnd(timeout: number): Promise<string>;
}

export async function visit(browser: Browser, address: string, options: VisitOptions = {}): Promise<Visit> {
  const { width = 1200, height = 900, colorScheme = "light", before } = options;
  const page = await browser.newPage({ viewport: { width, height }, colorScheme });
  if (before !== undefined) await page.addInitScript(before);
  const complaints: string[] = [];
  page.on("console", (message) => {
    const isComplaint = message.type() === "error" || message.type() === "warning";
    // What a driver has to say of its speed is not the page's.
    if (isComplaint && !message.text().includes("GL Driver Message")) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.stack ?? error.message));
  const read = async (id: string): Promise<string> => (await page.locator(`#${id}`).textContent()) ?? "";
  await page.goto(address);
  return {
    page,
    complaints,
    read,
    rows: async () => {
      const cells = await page
        .locator("#numbers tbody tr")
        .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent ?? "")));
      return cells.map(([step, model, loss, crossEntropy, rare, scheduled]) => ({
        ...{ step: Number(step), model, loss: Number(loss) },
        ...{ crossEntropy: Number(crossEntropy), rare: Number(rare), scheduled },
      }));
    },
    runToEnd: async (timeout) => {
      await page.click("#start");
      const status = page.locator("#status");
      await status.filter({ hasText: /^(Finished|Stopped)$/ }).waitFor({ timeout });
      return read("status");
    },
  };
}
