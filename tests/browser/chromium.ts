/** Runs functions of a module in headless Chromium, the one that is installed. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type Page as BrowserPage, chromium } from "playwright-core";
import { keepsFreedMemory } from "../support/allocator.ts";

/** What of a page can be run: asynchronous functions from JSON to JSON, by name. */
export type PageFunctions = Readonly<Record<string, (argument: never) => Promise<unknown>>>;

export interface Page<F extends PageFunctions> {
  /** Runs a function of the page; rejects with what it throws. */
  run<K extends keyof F & string>(name: K, argument: Parameters<F[K]>[0]): Promise<Awaited<ReturnType<F[K]>>>;
  /** The browser's version. */
  readonly version: string;
  close(): Promise<void>;
}

export interface PageOptions {
  /** The page's module, whose exported functions are run; or a folder of scripts, of which page.js is that module. */
  readonly module: URL;
  /** More of the browser's command line. */
  readonly flags?: readonly string[];
  /** How long a function may take, in milliseconds. */
  readonly timeout?: number;
  /** Gets each line that the page writes to the console. */
  readonly watch?: (line: string) => void;
}

/**
 * Before a program of WebGL is drawn with, ANGLE compiles its parts, and then the whole program anew. With this flag it is
 * compiled once, which takes a fifth off the time of many programs on a software driver.
 */
export const compileOnce = "--disable-angle-features=warmUpPipelineCacheAtLink,supportsGraphicsPipelineLibrary";

/**
 * WebGPU on any driver. A software driver compiles the clearing of workgroup memory one instruction a word, which takes
 * most of its time, unless Dawn writes a loop.
 */
export const withWebGPU: readonly string[] = [
  "--enable-unsafe-webgpu",
  "--disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension",
];

const candidates = [
  process.env.CHROMIUM_PATH,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
  "/opt/google/chrome/chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

/** Where Chromium or Chrome is installed; null where neither is. */
export function findChromium(): string | null {
  return candidates.find((path): path is string => path !== undefined && existsSync(path)) ?? null;
}

/**
 * Whether tests that need a browser are run: a browser that is missing is a failure where CI is set, and elsewhere a
 * reason to skip them, which is printed.
 */
export function hasChromium(): boolean {
  if (findChromium() !== null) return true;
  const missing =
    "no Chromium or Chrome was found: install one (Debian: apt-get install chromium), or set CHROMIUM_PATH";
  if (process.env.CI !== undefined && process.env.CI !== "") throw new Error(missing);
  console.warn(`Tests in a browser are skipped: ${missing}.`);
  return false;
}

export async function openPage<F extends PageFunctions>(options: PageOptions): Promise<Page<F>> {
  const executable = findChromium();
  if (executable === null) throw new Error("no Chromium or Chrome was found");
  const directory = mkdtempSync(join(tmpdir(), "lossmith-chromium-"));
  let browser: Browser | null = null;
  const close = async (): Promise<void> => {
    await browser?.close();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  try {
    const isFolder = options.module.pathname.endsWith("/");
    const folder = isFolder ? fileURLToPath(options.module) : bundle(options.module, directory);
    browser = await launch(executable, options.flags ?? []);
    const page = await browser.newPage();
    const failure = failureOf(page, browser);
    if (options.watch !== undefined) page.on("console", (message) => options.watch?.(message.text()));
    await serve(page, folder);
    return {
      version: browser.version(),
      run: (name, argument) => {
        const work = Promise.race([call(page, name, argument), failure]);
        return within(options.timeout ?? 60_000, name, work) as never;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Chromium without a window, with what it needs in a container, and more of its command line. */
export function launch(executablePath: string, more: readonly string[]): Promise<Browser> {
  const environment = { ...keepsFreedMemory, ...process.env };
  // Chromium finds its own software driver.
  delete environment.VK_DRIVER_FILES;
  const env = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined));
  const flags = ["--no-sandbox", "--disable-dev-shm-usage"];
  return chromium.launch({ executablePath, args: [...flags, ...more], env: env as Record<string, string> });
}

/** Rejects when the page throws what nobody catches, or the browser ends. */
function failureOf(page: BrowserPage, browser: Browser): Promise<never> {
  const failure = new Promise<never>((_, reject) => {
    page.on("pageerror", (error) => reject(new Error(`the page failed: ${error.stack ?? error.message}`)));
    page.on("crash", () => reject(new Error("the page crashed")));
    browser.on("disconnected", () => reject(new Error("the browser ended")));
  });
  // It may happen while nothing is run.
  failure.catch(() => undefined);
  return failure;
}

/** Only secure pages have WebGPU, as those of localhost are; no server is needed, since each request is answered here. */
async function serve(page: BrowserPage, folder: string): Promise<void> {
  await page.route("http://localhost/**", (route) => {
    const { pathname } = new URL(route.request().url());
    const file = join(folder, pathname);
    if (pathname === "/") return route.fulfill({ contentType: "text/html; charset=utf-8", body: "<!doctype html>" });
    if (!pathname.endsWith(".js") || !existsSync(file)) return route.fulfill({ status: 404 });
    return route.fulfill({ contentType: "text/javascript; charset=utf-8", body: readFileSync(file) });
  });
  await page.goto("http://localhost/");
}

function call(page: BrowserPage, name: string, argument: unknown): Promise<unknown> {
  return page.evaluate(
    async (task) => {
      const address = "/page.js";
      const functions = (await import(address)) as Readonly<Record<string, (argument: unknown) => Promise<unknown>>>;
      return (await functions[task.name](task.argument)) ?? null;
    },
    { name, argument },
  );
}

async function within<T>(timeout: number, name: string, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} did not end within ${timeout} ms`)), timeout);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Bundles a module as page.js in a folder of its own. */
function bundle(module: URL, directory: string): string {
  const folder = join(directory, "site");
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const bun = join(root, "node_modules", ".bin", "bun");
  const command = [
    bun,
    "build",
    fileURLToPath(module),
    "--target=browser",
    "--format=esm",
    "--ignore-dce-annotations",
    `--outfile=${join(folder, "page.js")}`,
  ];
  execFileSync(command[0], command.slice(1), { cwd: root, stdio: ["ignore", "ignore", "pipe"] });
  return folder;
}
