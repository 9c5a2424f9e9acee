import { LossError } from "../loss/error.ts";
import { type AnyLoss, checkLoss, type Input, inputOf, isReduced, type Kind, type Loss } from "../loss/loss.ts";
import { show } from "../loss/show.ts";
import { type Format, fromDocument, type JSONObject, toDocument } from "./document.ts";
import { loss } from "./loss.ts";

const format: Format<AnyLoss> = { noun: "loss", codec: loss, show };

/**
 * A loss as JSON: `{ format: "lossmith loss", version: 1, expression, terms, focus, ignored, probabilities, shared?, tables? }`, where
 * `expression` is what `show` gives, for people, and is not read. It is the formula itself, so losses of your own are written like
 * built-in ones. Counts and weights are in `tables`, each once, to the last digit. docs/serialisation.md describes the format.
 *
 * Fields that change while training (`decayedCounts`, `movingAverage`) are written with their state, from which a resumed run
 * goes on: see `changingOf`. The values of trained parameters are the compiled loss's, not the loss's, and are not in it.
 *
 * @throws LossError for a schedule by `fromFunction`, for a loss that has no value (a parameter with two initial values,
 * `perToken` beside another reduction), and for one that is nested more than 1000 deep.
 *
 * @example
 * ```ts
 * import { crossEntropy, freqWeights, fromCounts, lossEq, lossFromJSON, lossToJSON, pipe, powerLaw, show } from "lossmith";
 * import { expect } from "expect";
 *
 * const pdl = pipe(crossEntropy, freqWeights(fromCounts([100, 10, 1])), powerLaw(0.5));
 * const text = JSON.stringify(lossToJSON(pdl));
 * expect(text).toContain('{"pow":[{"add":["value",1e-7]},-0.5]}');
 *
 * const same = lossFromJSON(JSON.parse(text));
 * expect(lossEq.equals(same, pdl)).toBe(true);
 * expect(show(same)).toBe(show(pdl));
 * ```
 */
export function lossToJSON(loss: AnyLoss): JSONObject {
  checkLoss(loss, "lossToJSON(loss)");
  return toDocument(format, loss);
}

/** What a loss that is read has to be. */
export interface ExpectedLoss<I extends Input, K extends Kind> {
  /** "logits" or "values"; either by default. */
  readonly input?: I;
  /** What may still be done to it, such as "already reduced"; anything by default. */
  readonly kind?: K;
}

/**
 * The loss that `lossToJSON` wrote. Say what it has to be, and it is checked and has that type: a loss over "logits" that
 * is "without a weight field" takes `labelSmoothing`.
 *
 * @param json what `JSON.parse` gives.
 * @throws LossError whose `where` is the path of what is wrong, such as "$.terms[0].value.weigh[1]": another format, a newer version,
 * properties that are missing or unknown, wrong types, numbers out of bounds, references to what is not there, a
 * composition without a meaning, and a loss that is not what `expected` says.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, labelSmoothing, lossFromJSON, LossError, lossToJSON, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const json = lossToJSON(crossEntropy);
 * const loss = pipe(lossFromJSON(json, { input: "logits", kind: "without a weight field" }), labelSmoothing(0.5));
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [0] })).toBeCloseTo(Math.log(2), 12);
 * expect(() => lossFromJSON({ ...json, ignored: [0.5] })).toThrow(LossError);
 * ```
 */
export function lossFromJSON<I extends Input = Input, K extends Kind = Kind>(
  json: unknown,
  expected: ExpectedLoss<I, K> = {},
): Loss<I, K> {
  const loss = fromDocument(format, json);
  const { input, kind } = expected ?? {};
  refuseOther(input, inputOf(loss), "input");
  refuseOther(kind, kindOf(loss), "kind");
  return loss as Loss<I, K>;
}

function refuseOther(expected: string | undefined, actual: string, name: string): void {
  if (expected === undefined || expected === actual) return;
  throw new LossError(
    `lossFromJSON({ ${name} })`,
    `the loss is ${name === "input" ? "over " : ""}${actual}, not ${expected}`,
    `Give { ${name}: "${actual}" }, or read another loss`,
  );
}

function kindOf(loss: AnyLoss): Kind {
  if (loss.terms.length > 0 && isReduced(loss)) {
    return loss.terms[0].reduction === "perToken" ? "already reduced per token" : "already reduced";
  }
  return loss.focus === null ? "without a weight field" : "with a weight field";
}
