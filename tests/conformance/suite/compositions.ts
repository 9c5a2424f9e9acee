/** Random compositions on random batches: values and gradients against the float64 reference. */
import fc from "fast-check";
import { show } from "lossmith";
import { agreementOf } from "../../support/agreement.ts";
import { type Case, cases, extremeCases, perTokenCases } from "../../support/arbitraries.ts";
import { candidateCases } from "../../support/candidateCases.ts";
import { type LinearCase, linearAgreement, linearCases } from "../../support/linearCases.ts";
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

type Drawn = Case | ValuesCase | LinearCase;

const direct: fc.Arbitrary<Case | ValuesCase> = fc.oneof<fc.WeightedArbitrary<Case | ValuesCase>[]>(
  { weight: 8, arbitrary: cases },
  { weight: 1, arbitrary: perTokenCases },
  { weight: 1, arbitrary: extremeCases },
  { weight: 1, arbitrary: candidateCases },
  { weight: 2, arbitrary: valuesCases },
);

/** Of so many draws the last is of the linear form, so that few draws have some, too. */
const linearEach = 6;

/** A draw of a seed; it does not depend on how many there are. */
function drawnAt(seed: number, index: number): Drawn {
  const arbitrary: fc.Arbitrary<Drawn> = index % linearEach === linearEach - 1 ? linearCases : direct;
  return fc.sample(arbitrary, { seed, path: String(index), numRuns: 1 })[0];
}

/** So many are drawn from one seed; the next ones are from the next: a draw is found by those before it. */
export const chunk = 500;

/** `renew` is called before each seed but the first. */
export async function compositions(
  draws: Draws,
  progress: (share: number) => void,
  renew: () => Promise<void> = async () => {},
): Promise<PartResult> {
  const tally = new Tally();
  if (draws.only !== null) {
    await agree(tally, drawnAt(draws.seed, draws.only), draws.seed, draws.only, draws);
    return tally.result(name);
  }
  for (let from = 0; from < draws.count; from += chunk) {
    if (from > 0) await renew();
    const seed = draws.seed + from / chunk;
    for (let i = 0; i < Math.min(chunk, draws.count - from); i++) {
      await agree(tally, drawnAt(seed, i), seed, i, draws);
      progress((from + i + 1) / draws.count);
    }
  }
  return tally.result(name);
}

const name = "random compositions";

async function agree(tally: Tally, one: Drawn, seed: number, index: number, draws: Draws): Promise<void> {
  const { composition, batch } = one;
  const text = (): string =>
    [
      `${show(composition.loss)}${"layer" in one ? ", in the linear form" : ""}`,
      `  drawn as ${composition.steps.join(", ") || "crossEntropy"}`,
      `  on ${JSON.stringify("layer" in one ? { ...batch.plain, ...one.layer, form: one.form } : batch.plain, (_, x) => (x === Number.NEGATIVE_INFINITY ? "−∞" : x))}`,
      `  again: ${draws.command} --seed ${seed} --draw ${index}`,
    ].join("\n");
  await tally.attempt(`draw ${index} of seed ${seed}\n${text()}\n`, async () => {
    const agreement = await ("layer" in one ? linearAgreement(one) : agreementOf(one));
    if ("refused" in agreement) {
      const { refused, compiled } = agreement;
      // What the host can see without waiting is refused in the same words.
      tally.check(compiled === refused, () => `${text()}\n  "${compiled}" in place of "${refused}"`);
      return;
    }
    const errors = Object.values(agreement);
    const wrong = Object.entries(agreement).flatMap(([name, error]) => (error <= draws.tolerance ? [] : [name]));
    tally.within(errors, draws.tolerance, () => `${text()}\n  its ${wrong.join(", ")}`);
  });
}
