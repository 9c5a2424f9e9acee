/** The loops over rows, generated and interpreted, against each other and against plain interpretation. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LossError, linear } from "lossmith";
import { plan } from "../../lib/compiler/plan.ts";
import { defaultForm, rowLoop, scalarValue } from "../../lib/compiler/rowLoop.ts";
import { interpreter, within } from "../../lib/loss/expression.ts";
import { numberAlgebra } from "../../lib/loss/schedule.ts";
import { compositions } from "../support/arbitraries.ts";

test("source may be generated where no policy forbids it", () => {
  expect(defaultForm).toBe("generated");
});

describe("every narrow expression of random losses, its derivatives too", () => {
  test("is the same as a generated loop, as an interpreted loop and by itself", () => {
    const numbers = fc.array(
      fc.integer({ min: -30, max: 30 }).map((n) => n / 8),
      { minLength: 3, maxLength: 3 },
    );
    fc.assert(
      fc.property(compositions(4), fc.infiniteStream(numbers), ({ loss }, stream) => {
        const { numerators, denominators, cotangents } = plan(loss);
        for (const list of [numerators, denominators, cotangents.expressions]) {
          const rows = new Map<string, number[]>();
          const rowsOf = (a: object & { kind: string }): number[] => {
            const key = JSON.stringify(a, (name, x: unknown) => (name === "field" ? null : x));
            const known = rows.get(key) ?? (stream.next().value as number[]);
            rows.set(key, known);
            return known;
          };
          const isRow = (kind: string): boolean =>
            ["statistic", "lookup", "rowWeight", "reachedNumerator"].includes(kind);
          const numberOf = (a: object & { kind: string }, row: number): number =>
            a.kind === "step" ? 3 : a.kind === "vocabularySize" ? 4 : isRow(a.kind) ? rowsOf(a)[row] : 1.5;
          const [generated, interpreted] = (["generated", "interpreted"] as const).map((form) => {
            const loop = rowLoop(list, form);
            const inputs = loop.atoms.map((a) => {
              if (a.kind === "scalar") return scalarValue(a.e, (b) => numberOf(b, 0));
              return isRow(a.kind) ? Float32Array.from(rowsOf(a)) : numberOf(a, 0);
            });
            const rows = loop.rows(inputs, 3).map((values) => [...values]);
            // The totals are of the numbers before they are rounded to float32.
            return { rows, totals: loop.totals(inputs, 3) };
          });
          const exact = list.map((e) =>
            [0, 1, 2].map((row) =>
              interpreter(numberAlgebra((a: object & { kind: string }) => numberOf(a, row)))(e as never),
            ),
          );
          expect(generated.rows).toEqual(exact.map((values) => values.map(Math.fround)));
          expect(generated.totals).toEqual(exact.map(([x, y, z]) => 0 + x + y + z));
          expect(interpreted).toEqual(generated);
        }
      }),
      { numRuns: 200 },
    );
  });
});

test("a schedule's bounds are checked once for the batch", () => {
  const e = within(linear({ init: 0, end: 2, steps: 10 }), 0, 1, "share");
  const loop = rowLoop([e]);
  expect(loop.atoms.map(({ kind }) => kind)).toEqual(["scalar"]);
  expect(() => scalarValue(e, () => 9)).toThrow(LossError);
});
