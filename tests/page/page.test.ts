/** examples/browser, built and served as files, in Chromium on each backend. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { crossEntropy, lossToJSON, perToken, pipe, scale } from "lossmith";
import type { Browser } from "playwright-core";
import { compileOnce, findChromium, hasChromium, launch, withWebGPU } from "../browser/chromium.ts";
import { buildPage, type Site, serveFolder } from "./site.ts";
import { type Row, type Visit, visit } from "./visit.ts";

const screenshots = fileURLToPath(new URL("../../screenshots/", import.meta.url));

/** The smallest model: on a software driver most of the time goes into compiling programs. */
const tiny = "model=tiny&vocabulary=512";

/** What the tests of lost devices need: the devices of the page's backends, where a test can reach them. */
interface Devices {
  device?: GPUDevice;
  gl?: WebGLRenderingContext;
}

function keepDevices(): void {
  const devices = globalThis as Devices;
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (...given) {
    devices.device = await requestDevice.apply(this, given);
    return devices.device;
  };
  for (const { prototype } of [HTMLCanvasElement, OffscreenCanvas]) {
    const getContext = prototype.getContext as (...given: unknown[]) => unknown;
    prototype.getContext = function (this: unknown, ...given: unknown[]) {
      const context = getContext.apply(this, given);
      if (String(given[0]).startsWith("webgl")) devices.gl = context as WebGLRenderingContext;
      return context;
    } as never;
  }
}

/** How many pixels of the chart have the colour of PDL's curve, #d55e00. */
function orangePixels(canvas: Element): number {
  const { width, height } = canvas as HTMLCanvasElement;
  const { data } = (canvas as HTMLCanvasElement).getContext("2d")?.getImageData(0, 0, width, height) ?? { data: [] };
  let count = 0;
  for (let i = 0; i < data.length; i += 4) {
    const distance = Math.abs(data[i] - 0xd5) + Math.abs(data[i + 1] - 0x5e) + Math.abs(data[i + 2] - 0x00);
    if (distance < 30 && data[i + 3] > 200) count++;
  }
  return count;
}

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

/** The cross entropy of a model at the end of its training, less that at its beginning. */
function changeOf(rows: readonly Row[], model: string): number {
  const own = rows.filter((row) => row.model === model).map((row) => row.crossEntropy);
  expect(own.every(Number.isFinite)).toBe(true);
  return mean(own.slice(-3)) - mean(own.slice(0, 3));
}

/** The page is built in one way whichever runtime starts the test. */
const isTested = "Bun" in globalThis && hasChromium();

(isTested ? describe : describe.skip)("the page", () => {
  const folder = mkdtempSync(join(tmpdir(), "lossmith-page-"));
  let site: Site;
  let browser: Browser;

  beforeAll(async () => {
    buildPage(folder);
    site = await serveFolder(folder);
    browser = await launch(findChromium() ?? "", [...withWebGPU, compileOnce]);
    mkdirSync(screenshots, { recursive: true });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await site?.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });

  const visited = async (query: string, options = {}): Promise<Visit> =>
    visit(browser, `${site.address}?${query}`, options);

  /** The loss falls, on the backend that was asked for, by kernels of lossmith's own, without a complaint or a leak. */
  const trains = async (backend: string, query: string, steps: number): Promise<Visit> => {
    const opened = await visited(`backend=${backend}&${tiny}&steps=${steps}&${query}`, { before: keepDevices });
    const status = await opened.runToEnd(100_000);
    expect([status, await opened.page.locator("#failure").textContent()]).toEqual(["Finished", ""]);
    expect(await opened.read("backend")).toStartWith(backend);
    expect(await opened.read("fused")).toBe(`fused for ${backend}`);
    expect(await opened.read("kernels")).toMatch(new RegExp(`PDL\\s*fused for ${backend}.*passed on this device`, "s"));
    const rows = await opened.rows();
    expect(rows.filter(({ model }) => model === "PDL").length).toBe(steps);
    expect(changeOf(rows, "PDL")).toBeLessThan(-0.3);
    const scheduled = rows.filter(({ model }) => model === "PDL").map((row) => row.scheduled);
    expect([scheduled[0], scheduled.at(-1)]).toEqual(["powerLaw(alpha) 0", "powerLaw(alpha) 0.5"]);
    expect(await opened.read("scheduled")).toContain("powerLaw(alpha) 0.5");
    expect(await opened.read("tensors")).toMatch(new RegExp(`^\\d+, flat for ${steps - 1} steps$`));
    expect(await opened.read("samples")).toContain(`PDL, after ${rows.at(-1)?.step} steps`);
    expect(await opened.page.locator("#chart canvas").evaluate(orangePixels)).toBeGreaterThan(50);
    await opened.page.screenshot({ path: join(screenshots, `page-${backend}.png`), fullPage: true });
    expect(opened.complaints).toEqual([]);
    return opened;
  };

  /** A second run, during which something happens to the device, and what the page then says. */
  const failureDuring = async ({ page, read }: Visit, happens: () => void): Promise<string> => {
    await page.fill("[name=steps]", "1000");
    await page.click("#start");
    await page.locator("#numbers tbody tr").first().waitFor({ state: "attached", timeout: 60_000 });
    await page.evaluate(happens);
    await page.locator("#status", { hasText: "Stopped" }).waitFor({ timeout: 60_000 });
    return read("failure");
  };

  test("trains on webgpu, and says when the device is lost", async () => {
    const opened = await trains("webgpu", "losses=powerLawDecay&pretraining=0&sample=1&learningRate=0.02", 8);
    const failure = await failureDuring(opened, () => (globalThis as Devices).device?.destroy());
    expect(failure).toContain("the device was lost");
    expect(failure).toContain("Press Start");
    await opened.page.close();
  }, 110_000);

  test("trains on webgl, and says when the context is lost", async () => {
    const opened = await trains("webgl", "losses=powerLawDecay&pretraining=0&sample=1&learningRate=0.02", 8);
    const failure = await failureDuring(opened, () =>
      (globalThis as Devices).gl?.getExtension("WEBGL_lose_context")?.loseContext(),
    );
    expect(failure).toContain("the context was lost");
    expect(failure).toContain("Press Start");
    await opened.page.close();
  }, 110_000);

  test("trains on wasm, pauses, goes on, and takes a run back", async () => {
    const query = "losses=crossEntropy,powerLawDecay,focal,labelSmoothing&pretraining=6&sample=3";
    const { page, read, rows, complaints } = await trains("wasm", query, 12);
    const all = await rows();
    for (const model of ["cross entropy", "focal", "label smoothing"]) expect(changeOf(all, model)).toBeLessThan(-0.3);
    // From the same weights, on the same batch.
    const first = all.filter(({ step }) => step === 7).map((row) => row.crossEntropy);
    expect(first.length).toBe(4);
    for (const value of first) expect(value).toBeCloseTo(first[0], 3);

    await page.fill("[name=steps]", "100000");
    await page.click("#start");
    await page.locator("#numbers tbody tr").nth(2).waitFor({ state: "attached" });
    await page.click("#pause");
    // A step that had begun is finished.
    await page.waitForTimeout(300);
    const held = (await rows()).length;
    await page.waitForTimeout(300);
    expect((await rows()).length).toBe(held);
    await page.getByRole("button", { name: "Resume" }).click();
    await page.locator("#numbers tbody tr").nth(held).waitFor({ state: "attached" });
    await page.click("#reset");
    await page.getByText("Press Start.").waitFor();
    expect(await rows()).toEqual([]);
    expect(await page.locator("#legend li").count()).toBe(0);
    expect(await read("tensors")).toBe("–");
    expect(complaints).toEqual([]);
    await page.close();
  }, 110_000);

  test("takes a pasted loss, and says what is wrong with one, or when its value is not finite", async () => {
    const { page, read, rows, runToEnd, complaints } = await visited(
      `backend=wasm&${tiny}&steps=2&pretraining=0&sample=0&losses=own`,
    );
    const json = page.locator("#json");
    const said = (text: string | RegExp): Promise<void> =>
      page.locator("#jsonProblem", { hasText: text }).waitFor({ timeout: 5000 });
    await json.fill("{ nothing");
    await said(/the text is no JSON/);
    await json.fill('{ "format": "lossmith loss", "version": 1, "terms": [{ "value": "nil" }] }');
    await said(/\$\.terms\[0\]/);
    await page.click("#start");
    expect(await rows()).toEqual([]);
    expect(await read("status")).toBe("Press Start.");
    await json.fill(JSON.stringify(lossToJSON(perToken(crossEntropy))));
    await said(/perToken/);
    await json.fill(JSON.stringify(lossToJSON(pipe(crossEntropy, scale(3)))));
    await page.waitForFunction(() => document.getElementById("jsonProblem")?.textContent === "");
    expect(await runToEnd(30_000)).toBe("Finished");
    const [{ loss, crossEntropy: plain }] = await rows();
    expect(loss).toBeCloseTo(3 * plain, 2);

    await json.fill(JSON.stringify(lossToJSON(pipe(crossEntropy, scale(1e39)))));
    await page.fill("[name=steps]", "60");
    expect(await runToEnd(30_000)).toBe("Stopped");
    expect(await read("failure")).toMatch(/the loss is Infinity.*Choose a lower learning rate or another loss/);
    expect(complaints).toEqual([]);
    await page.close();
  }, 60_000);

  test("says what is missing where there is no WebGPU, and what auto passed over", async () => {
    const without = (): void => Object.defineProperty(Navigator.prototype, "gpu", { value: undefined }) as never;
    const opened = await visited(`backend=webgpu&${tiny}&steps=1&pretraining=0&sample=0`, { before: without });
    expect(await opened.runToEnd(30_000)).toBe("Stopped");
    expect(await opened.read("failure")).toContain("choose another backend");
    await opened.page.selectOption("[name=backend]", "auto");
    expect(await opened.runToEnd(60_000)).toBe("Finished");
    expect(await opened.read("kernels")).toMatch(/Passed over by “auto”:\s*webgpu: .*WebGPU/s);
    await opened.page.close();
  }, 100_000);

  test("fits a narrow screen, and each control has a label", async () => {
    const { page, read, complaints } = await visited("steps=5&losses=own&alpha=9&model=huge", {
      ...{ width: 400, height: 800, colorScheme: "dark" },
    });
    const { width, unnamed } = await page.evaluate(() => ({
      width: document.documentElement.scrollWidth,
      unnamed: [...document.querySelectorAll("input, select, textarea")]
        .filter((control) => (control as HTMLInputElement).labels?.length !== 1)
        .map(({ outerHTML }) => outerHTML),
    }));
    expect({ width, unnamed }).toEqual({ width: 400, unnamed: [] });
    // What the address asks for, and what it asks for wrongly.
    expect(await page.inputValue("[name=steps]")).toBe("5");
    expect(await read("failure")).toMatch(/alpha is “9”; give a number from 0 to 2; model is “huge”; give one of tiny/);
    await page.fill("[name=steps]", "7");
    await page.press("[name=steps]", "Tab");
    expect(await page.evaluate(() => location.search)).toBe("?losses=own&steps=7");
    await page.fill("[name=steps]", "0");
    expect(await read("problem")).toContain("steps is “0”; give a whole number from 1");
    await page.screenshot({ path: join(screenshots, "page-narrow.png"), fullPage: true });
    expect(complaints).toEqual([]);
    await page.close();
  }, 30_000);

  test("needs nothing of Node, and no address from the root", () => {
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
      /\.(js|html)$/.test(name),
    );
    expect(files.length).toBeGreaterThan(3);
    for (const name of files) {
      const text = readFileSync(join(folder, name), "utf8");
      expect([name, text.match(/(?:from|import)\s*\(?["'`](?:node:|\/)[^"'`]*/)?.[0]]).toEqual([name, undefined]);
      expect([name, /(?:src|href)="\/(?!\/)/.test(text)]).toEqual([name, false]);
      expect([name, text.includes("__vite-browser-external")]).toEqual([name, false]);
    }
  });
});
