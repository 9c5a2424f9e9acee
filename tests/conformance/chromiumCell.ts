/** The suite in headless Chromium. */
import type { BackendName } from "lossmith";
import { compileOnce, findChromium, openPage, withWebGPU } from "../browser/chromium.ts";
import type * as page from "./page.ts";
import type { CellResult } from "./runCell.ts";
import type { SuiteOptions, Watch } from "./suite/suite.ts";

const flags: Partial<Record<BackendName, readonly string[]>> = {
  webgl: [compileOnce],
  webgpu: withWebGPU,
};

/** The result; or what is missing, and what to install. */
export async function runInChromium(
  options: SuiteOptions,
  watch: Watch,
  timeout: number,
): Promise<CellResult | string> {
  if (findChromium() === null) {
    return "no Chromium or Chrome was found: install one (Debian: apt-get install chromium), or set CHROMIUM_PATH";
  }
  const opened = await openPage<typeof page>({
    module: new URL("page.ts", import.meta.url),
    flags: flags[options.backend] ?? [],
    timeout,
    watch: (line) => {
      if (!line.startsWith("progress ")) return;
      const { part, share } = JSON.parse(line.slice("progress ".length)) as { part: string; share: number };
      watch(part, share);
    },
  });
  try {
    const found = await opened.run("run", options);
    return "missing" in found ? found.missing : { ...found, version: opened.version };
  } finally {
    await opened.close();
  }
}
