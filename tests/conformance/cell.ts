/** Runs the suite on one backend in the runtime's own process: prints how far it is, and what it found as JSON. */
import process from "node:process";
import { runSuite, type SuiteOptions } from "./suite/suite.ts";

let told = 0;
const result = await runSuite(JSON.parse(process.argv[2]) as SuiteOptions, (part, share) => {
  if (share > 0 && Date.now() - told < 200) return;
  told = Date.now();
  console.log(`progress ${JSON.stringify({ part, share })}`);
});
const { bun, deno, node } = process.versions;
console.log(`results ${JSON.stringify({ ...result, version: bun ?? deno ?? node })}`);
