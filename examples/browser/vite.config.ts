/** How the page is built: into a folder that any static file server can serve, from any path. */
import { fileURLToPath } from "node:url";
import type { Plugin, UserConfig } from "vite";
import { readTexts } from "./texts.ts";

/** Gives the page the texts as a module. */
function texts(): Plugin {
  const name = "virtual:texts";
  return {
    name: "texts",
    resolveId: (id) => (id === name ? `\0${name}` : null),
    load: (id) => (id === `\0${name}` ? `export default ${JSON.stringify(readTexts())};` : null),
  };
}

const config: UserConfig = {
  root: fileURLToPath(new URL(".", import.meta.url)),
  // Addresses relative to the page.
  base: "./",
  plugins: [texts()],
  // "lossmith" is what tsconfig.json says it is: the sources beside the page.
  resolve: { tsconfigPaths: true },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    // TensorFlow.js is 1.5 MB by itself.
    chunkSizeWarningLimit: 2000,
    // lossmith imports cpu and webgl by name too, for bundlers that drop what TensorFlow.js imports for its side effects.
    rolldownOptions: { checks: { ineffectiveDynamicImport: false } },
  },
};

export default config;
