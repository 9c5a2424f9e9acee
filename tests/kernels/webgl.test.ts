/** The WebGL row statistics in Chromium, against the same formulas in float64. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Report } from "../browser/checkKernel.ts";
import { compileOnce, hasChromium, openPage, type Page } from "../browser/chromium.ts";
import type * as functions from "../browser/webglPage.ts";

const tolerance = 2e-6;

// The page is the same whichever runtime drives the browser.
("Bun" in globalThis && hasChromium() ? describe : describe.skip)("webgl in Chromium", () => {
  let page: Page<typeof functions>;

  beforeAll(async () => {
    const module = new URL("../browser/webglPage.ts", import.meta.url);
    page = await openPage({ module, flags: [compileOnce], timeout: 100_000 });
  }, 60_000);

  afterAll(async () => {
    await page?.close();
  });

  function expectRight(report: Report, cases: number): void {
    expect(report.failures).toEqual([]);
    expect(report.cases).toBe(cases);
    // Of confident rows, n keeps the digits that the label's logit has relative to the others.
    for (const [name, error] of Object.entries(report.worst)) {
      if (name.endsWith("n, relative")) expect(error).toBeLessThan(1e-5);
    }
  }

  test("random batches are as in float64", async () => {
    expectRight(await page.run("randomCases", { from: 1, count: 4, tolerance }), 4);
  }, 100_000);

  test("every size and kind of row", async () => {
    expectRight(await page.run("everyKind", { tolerance }), 33);
  }, 100_000);

  test("the gradients of entropy and cross entropy keep their digits for confident rows", async () => {
    expect(await page.run("confidentGradients", { tolerance })).toEqual([]);
  }, 100_000);

  test("any weight of an entry without probability makes a cross entropy infinite", async () => {
    expectRight(await page.run("impossibleEntries", { tolerance }), 2);
  }, 100_000);

  test("large vocabularies", async () => {
    expectRight(await page.run("largeVocabularies", { tolerance }), 6);
  }, 100_000);

  test("no row, many rows, many tables, and NaN cotangents", async () => {
    expectRight(await page.run("shapes", { tolerance }), 5);
  }, 100_000);

  test("reads packed and unpacked logits, leaves no tensor, and writes a gradient that can be multiplied", async () => {
    const { left, tensors, buffers, sums, columns } = await page.run("tensors", null);
    expect({ left, tensors, buffers }).toEqual({ left: 0, tensors: 0, buffers: 0 });
    expect(sums).toBeLessThan(1e-6);
    expect(columns).toBeLessThan(1e-6);
  }, 100_000);

  test("the functions of narrow programs are exact, at the edges too", async () => {
    const { worst, wrong } = await page.run("rowFunctions", null);
    expect(wrong).toEqual([]);
    expect(worst).toBeLessThan(1e-5);
  }, 100_000);

  test("narrow arithmetic is a program a pass; ordinary ops where a device computes such programs wrong", async () => {
    const own = await page.run("narrow", { isBroken: false });
    expect(own.forward).toBeLessThan(35);
    expect(own.both).toBeLessThan(50);
    expect(own.error).toBeLessThan(1e-6);
    const ordinary = await page.run("narrow", { isBroken: true });
    expect(ordinary.both).toBeGreaterThan(3 * own.both);
    expect(ordinary.error).toBeLessThan(1e-6);
  }, 100_000);

  test("a step of cross entropy is the reference's", async () => {
    const { value, gradient, step } = await page.run("crossEntropyStep", null);
    expect(value).toBeLessThan(2e-6);
    expect(gradient).toBeLessThan(1e-6);
    expect(step).toBeLessThan(2e-6);
  }, 100_000);

  test("random compositions are the reference's", async () => {
    const { value, gradient, cases, portable } = await page.run("compositions", { count: 5, seed: 7 });
    expect(value).toBeLessThan(2e-5);
    expect(gradient).toBeLessThan(2e-5);
    expect(cases).toBeGreaterThan(3);
    // Several teachers' views in one loss.
    expect(portable.length).toBeLessThan(cases / 2);
  }, 100_000);

  test("random losses that read candidates are the reference's", async () => {
    const { value, gradient, cases, portable } = await page.run("compositions", {
      ...{ count: 3, seed: 3 },
      of: "candidates",
    });
    expect(value).toBeLessThan(2e-5);
    expect(gradient).toBeLessThan(2e-5);
    expect(cases).toBeGreaterThan(1);
    expect(portable).toEqual([]);
  }, 100_000);
});
