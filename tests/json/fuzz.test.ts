/** Whatever becomes of a document, what is read from it is something that works, or there is a LossError. */
import { beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type AnyLoss,
  at,
  classWeights,
  compile,
  decayedCounts,
  fieldFromJSON,
  fieldToJSON,
  freqWeights,
  fromCounts,
  LossError,
  lawFromJSON,
  lawToJSON,
  linear,
  lossEq,
  lossFromJSON,
  lossToJSON,
  movingAverage,
  scheduleFromJSON,
  scheduleToJSON,
  show,
} from "lossmith";
import { attach } from "../../lib/loss/combinator.ts";
import { evaluateField } from "../../lib/loss/field.ts";
import { fieldsOf } from "../../lib/loss/inventory.ts";
import { cases } from "../support/arbitraries.ts";
import { startBackend } from "../support/backends.ts";
import { mutated } from "../support/mutations.ts";
import { someSchedules } from "../support/schedules.ts";
import { valuesCases } from "../support/valuesArbitraries.ts";
import { weightLaws } from "../support/weightLaws.ts";

beforeAll(() => startBackend("cpu"));

const filed = (json: unknown): unknown => JSON.parse(JSON.stringify(json));

/** How many of the documents were read; any error but a LossError is thrown. */
function readable(documents: fc.Arbitrary<unknown>, use: (json: unknown) => void, numRuns: number): number {
  let read = 0;
  fc.assert(
    fc.property(documents, (json) => {
      try {
        use(json);
        read++;
      } catch (error) {
        if (!(error instanceof LossError)) throw error;
      }
    }),
    { numRuns },
  );
  return read;
}

/** Random losses, few enough that the time goes into their changes. */
const losses: readonly AnyLoss[] = [
  ...fc.sample(cases, 40).map(({ composition }) => composition.loss),
  ...fc.sample(valuesCases, 20).map(({ composition }) => composition.loss),
];

test("losses", () => {
  const documents = fc
    .constantFrom(...losses)
    .map(lossToJSON)
    .chain(mutated);
  const read = readable(
    documents,
    (json) => {
      const loss = lossFromJSON(json);
      const shown = show(loss);
      compile(loss).dispose();
      const again = lossFromJSON(filed(lossToJSON(loss)));
      expect(lossEq.equals(again, loss)).toBe(true);
      expect(show(again)).toBe(shown);
    },
    300,
  );
  // Some changes, such as those of a number, make another loss.
  expect(read).toBeGreaterThan(20);
});

test("laws and fields", () => {
  const fields = fc.constantFrom(
    freqWeights(fromCounts([3, 1, 0])).field,
    freqWeights(decayedCounts(fromCounts([3, 1, 0]), { decay: linear({ init: 0, end: 1, steps: 9 }) })).field,
    classWeights(movingAverage([3, 1, 0], { decay: 0.5 }), { counts: [9, 8, 7] }).field,
    ...losses.flatMap(fieldsOf),
  );
  const laws = fc.constantFrom(...Object.values(weightLaws).map(({ law }) => law)).map(lawToJSON);
  const read =
    readable(
      laws.chain(mutated),
      (json) => {
        const law = lawFromJSON(json);
        expect(lawToJSON(lawFromJSON(filed(lawToJSON(law))))).toEqual(lawToJSON(law));
      },
      200,
    ) +
    readable(
      fields.map((field) => fieldToJSON(attach(field))).chain(mutated),
      (json) => {
        const weights = fieldFromJSON(json);
        const again = fieldFromJSON(filed(fieldToJSON(weights)));
        expect(evaluateField(again.field, 3)).toEqual(evaluateField(weights.field, 3));
      },
      200,
    );
  expect(read).toBeGreaterThan(20);
});

test("schedules", () => {
  const read = readable(
    someSchedules.map(scheduleToJSON).chain(mutated),
    (json) => {
      const schedule = scheduleFromJSON(json);
      expect(at(scheduleFromJSON(filed(scheduleToJSON(schedule))), 7)).toBe(at(schedule, 7));
    },
    300,
  );
  expect(read).toBeGreaterThan(20);
});
