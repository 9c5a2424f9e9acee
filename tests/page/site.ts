/** examples/browser as its visitors get it: built by Vite, and served as files from a folder of some server. */
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Builds the page into a folder. */
export function buildPage(folder: string): void {
  const vite = join(root, "node_modules", ".bin", "vite");
  const command = ["build", "examples/browser", "--outDir", folder, "--emptyOutDir", "--logLevel", "warn"];
  execFileSync(vite, command, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
}

export interface Site {
  /** The address of the page. */
  readonly address: string;
  close(): Promise<void>;
}

/** What a server tells of a file by its name. */
const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
};

const path = "/some/folder/";

/** Serves a folder's files, and nothing else, under a path that the page does not know of. */
export async function serveFolder(folder: string): Promise<Site> {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const name = pathname === path ? "index.html" : pathname.slice(path.length);
    const type = types[extname(name)];
    try {
      if (!pathname.startsWith(path) || name.includes("..") || type === undefined) throw new Error("no such file");
      const body = await readFile(join(folder, name));
      response.writeHead(200, { "content-type": type }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://localhost:${port}${path}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
