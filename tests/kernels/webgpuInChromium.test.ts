/** The WebGPU row kernels in Chromium, whose devices have subgroups, with them and without, against float64. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Report } from "../browser/checkKernel.ts";
import { hasChromium, openPage, type Page, withWebGPU } from "../browser/chromium.ts";
import type * as functions from "../browser/webgpuPage.ts";

// The page is the same whichever runtime drives the browser.
("Bun" in globalThis && hasChromium() ? describe : describe.skip)("webgpu in Chromium", () => {
  let page: Page<typeof functions>;

  beforeAll(async () => {
    const module = new URL("../browser/webgpuPage.ts", import.meta.url);
    page = await openPage({ module, flags: withWebGPU, timeout: 110_000 });
  }, 60_000);

  afterAll(async () => {
    await page?.close();
  });

  function expectRight(report: Report, cases: number): void {
    expect(report.failures).toEqual([]);
    expect(report.cases).toBe(cases);
  }

  test("the kernel with subgroups is used where the device has them and it passed its self-test", async () => {
    for (const classes of [1000, 100_000]) {
      const { subgroups, kernel, explained } = await page.run("start", { classes });
      expect(subgroups).toBe(true);
      expect(kernel).toBe("webgpu with subgroups");
      expect(explained).toContain(
        "fused for webgpu with subgroups: the logits are read once forward and once backward",
      );
    }
  }, 110_000);

  // Without them the kernel is tested under Deno, whose WebGPU has none; here it is compiled by another compiler.
  test("random batches are as in float64, without subgroups", async () => {
    expectRight(await page.run("randomCases", { subgroups: false, parts: 1, from: 1, count: 3 }), 3);
  }, 110_000);

  for (const parts of [1, 3]) {
    test(`random batches are as in float64, with subgroups, rows in ${parts}`, async () => {
      expectRight(await page.run("randomCases", { subgroups: true, parts, from: 4, count: 4 }), 4);
    }, 110_000);

    test(`every size and kind of row, with subgroups, rows in ${parts}`, async () => {
      expectRight(await page.run("everyKind", { subgroups: true, parts }), 15);
    }, 110_000);

    test(`a large vocabulary, with subgroups, rows in ${parts}`, async () => {
      expectRight(await page.run("largeVocabulary", { subgroups: true, parts }), 1);
    }, 110_000);
  }

  for (const parts of [1, 3]) {
    test(`gradients of confident rows keep their digits, with subgroups, rows in ${parts}`, async () => {
      expect(await page.run("confidentGradients", { subgroups: true, parts, classes: 600 })).toEqual([]);
    }, 110_000);
  }

  test("a step of cross entropy is the reference's", async () => {
    const { value, gradient } = await page.run("crossEntropyStep", null);
    expect(value).toBeLessThan(2e-6);
    expect(gradient).toBeLessThan(1e-6);
  }, 110_000);

  // That each is wrong without is told under Deno; here they are compiled by another compiler.
  test("tensorflow.js's programs are corrected", async () => {
    expect(await page.run("wrongPrograms", null)).toEqual([]);
  }, 110_000);

  test("a softmax of more rows than a dispatch has workgroups in one dimension", async () => {
    const [first, second] = await page.run("lastSoftmax", { rows: 65_537 });
    expect(first).toBeCloseTo(0.25, 6);
    expect(second).toBeCloseTo(0.75, 6);
  }, 110_000);
});
