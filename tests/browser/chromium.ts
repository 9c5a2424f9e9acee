/**
 * Runs functions of a module in headless Chromium: a page that a local server gives to the browser asks the server what
 * to run and sends back what came of it, so that nothing but the browser itself is needed.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What of a page can be run: asynchronous functions from JSON to JSON, by name. */
export type PageFunctions = Readonly<Record<string, (argument: never) => Promise<unknown>>>;

export interface Page<F extends PageFunctions> {
  /** Runs a function of the page; rejects with what it throws. */
  run<K extends keyof F & string>(name: K, argument: Parameters<F[K]>[0]): Promise<Awaited<ReturnType<F[K]>>>;
  close(): Promise<void>;
}

export interface PageOptions {
  /** The page's module, whose exported functions are run; or a folder of scripts, of which page.js is that module. */
  readonly module: URL;
  /** More of the browser's command line. */
  readonly flags?: readonly string[];
  /** How long a function may take, in milliseconds. */
  readonly timeout?: number;
}

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
  const isFolder = options.module.pathname.endsWith("/");
  const server = new PageServer(isFolder ? fileURLToPath(options.module) : bundle(options.module, directory));
  let browser: ChildProcess | null = null;
  const close = async (): Promise<void> => {
    server.close();
    if (browser !== null) await stop(browser);
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  try {
    const address = await server.listen();
    browser = start(executable, [...(options.flags ?? []), `--user-data-dir=${join(directory, "profile")}`, address]);
    browser.once("exit", (code) => server.fail(new Error(`the browser ended with ${code}: ${log(browser)}`)));
    browser.once("error", (error) => server.fail(error));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    run: (name, argument) => server.run(name, argument, options.timeout ?? 60_000) as never,
    close,
  };
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

const logs = new WeakMap<ChildProcess, string[]>();

function start(executable: string, more: readonly string[]): ChildProcess {
  const flags = ["--headless=new", "--no-sandbox", "--no-first-run", "--disable-dev-shm-usage", "--disable-extensions"];
  const environment = { ...process.env };
  // Chromium finds its own software driver.
  delete environment.VK_DRIVER_FILES;
  const browser = spawn(executable, [...flags, ...more], { env: environment, stdio: ["ignore", "ignore", "pipe"] });
  const lines: string[] = [];
  logs.set(browser, lines);
  browser.stderr?.on("data", (data: Uint8Array) => {
    lines.push(new TextDecoder().decode(data));
    if (lines.length > 50) lines.shift();
  });
  return browser;
}

/** The end of what a browser printed. */
function log(browser: ChildProcess | null): string {
  return browser === null ? "" : (logs.get(browser) ?? []).join("").slice(-2000);
}

async function stop(browser: ChildProcess): Promise<void> {
  if (browser.exitCode !== null || browser.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => {
    browser.once("exit", () => resolve());
  });
  browser.kill("SIGKILL");
  await ended;
}

interface Task {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

type Outcome = { readonly value: unknown } | { readonly error: string };

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

const script = `
import * as page from "./page.js";
for (;;) {
  const task = await (await fetch("/task")).json();
  if (task === null) continue;
  let outcome;
  try {
    outcome = { value: (await page[task.name](task.argument)) ?? null };
  } catch (error) {
    outcome = { error: String(error?.stack ?? error) };
  }
  await fetch("/outcome?" + task.id, { method: "POST", body: JSON.stringify(outcome) });
}`;

const document = `<!doctype html><meta charset="utf-8"><title>tests</title><script type="module">
addEventListener("error", ({ message }) => fetch("/failure", { method: "POST", body: String(message) }));
addEventListener("unhandledrejection", ({ reason }) => {
  fetch("/failure", { method: "POST", body: String(reason?.stack ?? reason) });
});
</script><script type="module" src="/script.js"></script>`;

/** Hands tasks to the page, one after the other. */
class PageServer {
  readonly #pages: Readonly<Record<string, { readonly type: string; readonly text: string }>>;
  readonly #folder: string;
  readonly #server: Server;
  readonly #tasks: Task[] = [];
  readonly #waiting = new Map<number, Waiting>();
  #asking: ServerResponse | null = null;
  #nextId = 1;
  #failure: Error | null = null;

  constructor(folder: string) {
    this.#folder = folder;
    this.#pages = {
      "/": { type: "text/html", text: document },
      "/script.js": { type: "text/javascript", text: script },
    };
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  listen(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, "127.0.0.1", () => {
        resolve(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`);
      });
    });
  }

  run(name: string, argument: unknown, timeout: number): Promise<unknown> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${name} did not end within ${timeout} ms`));
      }, timeout);
      const settle = <T>(end: (value: T) => void): ((value: T) => void) => {
        return (value) => {
          clearTimeout(timer);
          end(value);
        };
      };
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
      this.#tasks.push({ id, name, argument });
      this.#handOver();
    });
  }

  /** Rejects all that is run, now and later. */
  fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  close(): void {
    this.fail(new Error("the page is closed"));
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const [path, query] = (request.url ?? "/").split("?");
    const page = Object.hasOwn(this.#pages, path) ? this.#pages[path] : undefined;
    const file = join(this.#folder, path);
    if (page !== undefined) {
      response.writeHead(200, { "content-type": `${page.type}; charset=utf-8` }).end(page.text);
    } else if (path.endsWith(".js") && existsSync(file)) {
      response.writeHead(200, { "content-type": "text/javascript; charset=utf-8" }).end(readFileSync(file));
    } else if (path === "/task") {
      this.#asking = response;
      this.#handOver();
    } else if (path === "/outcome" || path === "/failure") {
      bodyOf(request, (text) => {
        response.end();
        if (path === "/failure") this.fail(new Error(`the page failed: ${text}`));
        else this.#settle(Number(query), JSON.parse(text) as Outcome);
      });
    } else response.writeHead(404).end();
  }

  #handOver(): void {
    const response = this.#asking;
    if (response === null) return;
    const task = this.#tasks.shift();
    if (task === undefined) return;
    this.#asking = null;
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(task));
  }

  #settle(id: number, outcome: Outcome): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if ("error" in outcome) waiting?.reject(new Error(outcome.error));
    else waiting?.resolve(outcome.value);
  }
}

function bodyOf(request: IncomingMessage, use: (text: string) => void): void {
  const chunks: Uint8Array[] = [];
  request.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  request.on("end", () => use(Buffer.concat(chunks).toString("utf8")));
}
