/** Imports a package that may be missing, and that no bundler is to look for; null where it is. */
export async function importOptional(name: string): Promise<unknown> {
  const { Bun: bun } = globalThis as { readonly Bun?: Bun };
  if (bun !== undefined && !(await isInstalled(name, bun))) return null;
  try {
    return await import(/* @vite-ignore */ /* webpackIgnore: true */ name);
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message?: string };
    if (code === "ERR_MODULE_NOT_FOUND" && message?.includes(`'${name}'`)) return null;
    throw error;
  }
}

interface Bun {
  file(url: URL): { exists(): Promise<boolean> };
}

/** Whether the package lies beside this one: where there is no node_modules at all, Bun downloads what is imported. */
async function isInstalled(name: string, bun: Bun): Promise<boolean> {
  for (let folder = new URL(/* @vite-ignore */ "./", import.meta.url); ; folder = new URL("../", folder)) {
    if (await bun.file(new URL(`node_modules/${name}/package.json`, folder)).exists()) return true;
    if (folder.pathname === new URL("../", folder).pathname) return false;
  }
}
