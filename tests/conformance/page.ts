/** The suite in a page. */
import { LossError } from "lossmith";
import { runSuite, type SuiteOptions, type SuiteResult } from "./suite/suite.ts";

/** What the suite found; or what the browser lacks for the backend. */
export async function run(options: SuiteOptions): Promise<SuiteResult | { readonly missing: string }> {
  let told = 0;
  try {
    return await runSuite(options, (part, share) => {
      if (share > 0 && Date.now() - told < 200) return;
      told = Date.now();
      console.debug(`progress ${JSON.stringify({ part, share })}`);
    });
  } catch (error) {
    // A backend that starts and computes wrong numbers is refused in other words.
    const lacks = error instanceof LossError && error.where === `useBackend("${options.backend}")`;
    if (lacks) return { missing: error.message };
    throw error;
  }
}
