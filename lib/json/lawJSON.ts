import { law as combinatorOf, type LawCombinator } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import type { Law } from "../loss/field.ts";
import { lawMonoid } from "../loss/instances.ts";
import { type Format, fromDocument, type JSONObject, toDocument } from "./document.ts";
import { law } from "./field.ts";

const format: Format<Law> = { noun: "law", codec: law, show: () => "" };

/**
 * A law as JSON: `{ format: "lossmith law", version: 1, name, map, shared? }`.
 *
 * @throws LossError for what is no law, and for a schedule by `fromFunction`.
 *
 * @example
 * ```ts
 * import { crossEntropy, freqWeights, fromCounts, lawFromJSON, lawToJSON, pipe, powerLaw, show } from "lossmith";
 * import { expect } from "expect";
 *
 * const json = lawToJSON(powerLaw(0.5));
 * expect(json["map"]).toEqual({ pow: [{ add: ["value", 1e-7] }, -0.5] });
 *
 * const weighted = pipe(crossEntropy, freqWeights(fromCounts([3, 1])));
 * expect(show(pipe(weighted, lawFromJSON(json)))).toBe(show(pipe(weighted, powerLaw(0.5))));
 * ```
 */
export function lawToJSON(law: LawCombinator): JSONObject {
  if (typeof law === "function" && typeof law.law === "object") return toDocument(format, law.law);
  throw new LossError("lawToJSON(law)", "got no law", "Give a law, such as powerLaw(0.5)");
}

/**
 * The law that `lawToJSON` wrote.
 *
 * @param json what `JSON.parse` gives.
 * @throws LossError whose `where` is the path of what is wrong.
 *
 * @example
 * ```ts
 * import { clip, lawFromJSON, lawToJSON } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(lawFromJSON(lawToJSON(clip(0.5, 2))).law).toEqual(clip(0.5, 2).law);
 * ```
 */
export function lawFromJSON(json: unknown): LawCombinator {
  const read = fromDocument(format, json);
  const { law: none } = lawMonoid.empty as LawCombinator;
  const isNone = read.name === none.name && read.map.kind === "atom" && read.map.atom.kind === "value";
  return isNone ? lawMonoid.empty : combinatorOf(read);
}
