/** Random compositions on random batches: values and gradients against the float64 reference. */
import fc from "fast-check";
import { show } from "lossmith";
import { agreementOf } from "../../support/agreement.ts";
import { type Case, cases, extremeCases, perTokenCases } from "../../support/arbitraries.ts";
import { candidateCases } from "../../support/candidateCases.ts";
import { type ValuesCase, valuesCases } from "../../support/valuesArbitraries.ts";
import { type PartResult, Tally } from "./tally.ts";

export interface Draws {
  readonly seed: number;
  readonly count: number;
  /** The only draw that is tried, in place of all. */
  readonly only: number | null;
  /** The largest error that passes. */
  readonly tolerance: number;
  /** What comes before `--seed` in the command that tries one draw again. */
  readonly command: string;
}

const drawn: fc.Arbitrary<Case | ValuesCase> = fc.oneof<fc.WeightedArbitrary<Case | ValuesCase>[]>(
  { weight: 8, arbitrary: cases },
  { weight: 1, arbitrary: perTokenCases },
  { weight: 1, arbitrary: extremeCases },
  { weight: 1, arbitrary: candidateCases },
  { weight: 2, arbitrary: valuesCases },
);

/** So many are drawn from one seed; the next ones are from the next. Drawn at once, 10⁵ would fill the memory. */
export const chunk = 500;

/** `renew` is called before each seed but the first. */
export async function compositions(
  draws: Draws,
  progress: (share: number) => void,
  renew: () => Promise<void> = async () => {},
): Promise<PartResult> {
  const tally = new Tally();
  if (draws.only !== null) {
    for (const one of fc.sample(drawn, { seed: draws.seed, path: String(draws.only), numRuns: 1 })) {
      await agree(tally, one, draws.seed, draws.only, draws);
    }
    return tally.result(name);
  }
  for (let from = 0; from < draws.count; from += chunk) {
    if (from > 0) await renew();
    const seed = draws.seed + from / chunk;
    const drawnNow = fc.sample(drawn, { seed, numRuns: Math.min(chunk, draws.count - from) });
    for (const [i, one] of drawnNow.entries()) {
      await agree(tally, one, seed, i, draws);
      progress((from + i + 1) / draws.count);
    }
  }
  return tally.result(name);
}

const name = "random compositions";

async function agree(tally: Tally, one: Case | ValuesCase, seed: number, index: number, draws: Draws): Promise<void> {
  const { composition, batch } = one;
  const text = (): string =>
    [
      `${show(composition.loss)}`,
      `  drawn as ${composition.steps.join(", ") || "crossEntropy"}`,
      `  on ${JSON.stringify(batch.plain, (_, x) => (x === Number.NEGATIVE_INFINITY ? "−∞" : x))}`,
      `  again: ${draws.command} --seed ${seed} --draw ${index}`,
    ].join("\n");
  await tally.attempt(`draw ${index} of seed ${seed}\n${text()}\n`, async () => {
    const agreement = await agreementOf(one);
    if ("refused" in agreement) {
      const { refused, compiled } = agreement;
      // What the host can see without waiting is refused in the same words.
      tally.check(compiled === refused, () => `${text()}\n  "${compiled}" in place of "${refused}"`);
      return;
    }
    const { value, gradient } = agreement;
    const what = gradient > value ? "gradient" : "value";
    tally.within([value, gradient], draws.tolerance, () => `${text()}\n  its ${what}`);
  });
}
