/** Takes the picture of the page that is in the documentation: bun tests/page/screenshot.ts [wasm | webgpu | webgl | cpu]. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { compileOnce, findChromium, launch, withWebGPU } from "../browser/chromium.ts";
import { buildPage, serveFolder } from "./site.ts";
import { visit } from "./visit.ts";

const path = fileURLToPath(new URL("../../docs/browser.png", import.meta.url));
const [backend = "wasm"] = process.argv.slice(2);

const executable = findChromium();
if (executable === null) throw new Error("no Chromium or Chrome was found");
const folder = mkdtempSync(join(tmpdir(), "lossmith-page-"));
buildPage(folder);
const site = await serveFolder(folder);
const browser = await launch(executable, [...withWebGPU, compileOnce]);
try {
  const size = { width: 1160, height: 690 };
  const { page, runToEnd, complaints } = await visit(browser, `${site.address}?backend=${backend}`, size);
  const status = await runToEnd(1_800_000);
  if (status !== "Finished" || complaints.length > 0) throw new Error([status, ...complaints].join("\n"));
  await page.selectOption("#measure", "rare");
  await page.mouse.move(0, 0);
  // The next frame has the curves.
  await page.waitForTimeout(500);
  await page.screenshot({ path });
  console.log(`${path} was taken on ${backend}.`);
} finally {
  await browser.close();
  await site.close();
  rmSync(folder, { recursive: true, force: true });
}
