/** The published numbers, in the reference and on the current backend. */
import { evaluate } from "lossmith";
import { runCompiled } from "../../support/compiled.ts";
import { distance, flat } from "../../support/distance.ts";
import { type Golden, goldenShape, goldens } from "../../support/goldens.ts";
import { type PartResult, Tally } from "./tally.ts";

/** A float32 value is this near to the reference, relative to the largest number beside it. */
const tolerance = 2e-6;

export async function golden(): Promise<PartResult> {
  const tally = new Tally();
  for (const one of goldens) {
    const { name, loss, batch } = one;
    await tally.attempt(name, async () => {
      const exact = flat(evaluate(loss as never, batch as never));
      tally.check(isPublished(exact, one), () => `${name}: the reference gives ${exact}, published ${one.expected}`);
      const { value } = await runCompiled(loss, batch, goldenShape(one));
      tally.check(isPublished(value, one), () => `${name}: ${value}, published ${one.expected}`);
      tally.within([distance(value, exact)], tolerance, () => `${name}: ${value}, in float64 ${exact}`);
    });
  }
  return tally.result("golden numbers");
}

function isPublished(values: readonly number[], { expected, within }: Golden): boolean {
  return values.length === expected.length && expected.every((x, i) => Math.abs(values[i] - x) <= within);
}
