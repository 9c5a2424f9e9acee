/** The suite in a page. */
import { runSuite, type SuiteOptions, type SuiteResult } from "./suite/suite.ts";

export function run(options: SuiteOptions): Promise<SuiteResult> {
  let told = 0;
  return runSuite(options, (part, share) => {
    if (share > 0 && Date.now() - told < 200) return;
    told = Date.now();
    console.debug(`progress ${JSON.stringify({ part, share })}`);
  });
}
