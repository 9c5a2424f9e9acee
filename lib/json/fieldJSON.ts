import { type Attach, attach } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import type { Field } from "../loss/field.ts";
import { showField } from "../loss/show.ts";
import { type Format, fromDocument, type JSONObject, toDocument } from "./document.ts";
import { field } from "./field.ts";

const format: Format<Field> = { noun: "field", codec: field, show: showField };

/**
 * What attaches a weight field, such as `freqWeights(frequencies)`, as JSON:
 * `{ format: "lossmith field", version: 1, expression, source, laws, shared?, tables? }`. One that changes while training is written with its
 * state.
 *
 * @throws LossError for what attaches no field, and for a schedule by `fromFunction`.
 *
 * @example
 * ```ts
 * import { classWeights, fieldFromJSON, fieldToJSON } from "lossmith";
 * import { expect } from "expect";
 *
 * const json = fieldToJSON(classWeights([2, 0.1]));
 * expect(json["tables"]).toEqual([[2, 0.1]]);
 * expect(fieldFromJSON(json).field).toEqual(classWeights([2, 0.1]).field);
 * ```
 */
export function fieldToJSON(weights: Attach): JSONObject {
  if (typeof weights === "function" && typeof weights.field === "object") return toDocument(format, weights.field);
  throw new LossError("fieldToJSON(weights)", "got no weight field", "Give one, such as freqWeights(frequencies)");
}

/**
 * What attaches the field that `fieldToJSON` wrote.
 *
 * @param json what `JSON.parse` gives.
 * @throws LossError whose `where` is the path of what is wrong.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, fieldFromJSON, fieldToJSON, freqWeights, fromCounts, pipe, powerLaw } from "lossmith";
 * import { expect } from "expect";
 *
 * const counted = fieldFromJSON(fieldToJSON(freqWeights(fromCounts([100, 10, 1]))));
 * const batch = { logits: [[2, 1, 0.1], [0.5, 2.5, 0.3], [1, 1, 1]], labels: [0, 1, 2] };
 * expect(evaluate(pipe(crossEntropy, counted, powerLaw(0.5)), batch)).toBeCloseTo(0.854312, 6);
 * ```
 */
export function fieldFromJSON(json: unknown): Attach {
  return attach(fromDocument(format, json));
}
