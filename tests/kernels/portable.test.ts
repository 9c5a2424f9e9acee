/** The portable row statistics against float64. */
import { beforeAll, describe, expect, test } from "bun:test";
import { portableRowStatistics } from "../../lib/kernels/portable.ts";
import { checkKernel, newReport } from "../browser/checkKernel.ts";
import {
  everyKindOfRow,
  filled,
  hasGradient,
  namesOf,
  type RowCase,
  type RowValues,
  randomCase,
  randomCotangents,
  randomNumbers,
} from "../browser/rowCases.ts";
import { backends, startBackend } from "../support/backends.ts";

/**
 * A case without scales, caps and biases: what they make of the logits the portable kernel rounds to float32. Its numbers
 * for rows that are not valid are any, and a gradient of 0 in a row with NaN is NaN.
 */
const plain = (given: RowCase): RowCase => ({
  ...{ ...given, valid: null },
  logits: given.logits.map((x, i) => (i % given.classes === 0 || !(x < 1e30) ? Math.sin(i) : x)),
  views: given.views.map((view) => ({ ...view, scale: 1, cap: null, bias: 0 })),
});

/** Something reaches every statistic of every row. */
const everywhere = (given: RowCase): RowValues =>
  given.views.map((view) =>
    Object.fromEntries(
      namesOf(view)
        .filter((name) => hasGradient(view, name))
        .map((name, k) => [name, filled(given.rows, (row) => 1 + Math.sin(row + 3 * k))]),
    ),
  );

for (const backend of backends) {
  describe(`the portable kernel on ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("gives every statistic and the gradient of any kind of row", () => {
      const report = newReport();
      for (const classes of [1, 2, 5, 33, 300]) {
        const random = randomNumbers(classes);
        for (const given of everyKindOfRow(classes, 3, random)) {
          checkKernel(portableRowStatistics, given, everywhere(given), report, 4e-6);
        }
      }
      expect(report.failures).toEqual([]);
    });

    test("gives random sums of random views", () => {
      const report = newReport();
      for (let seed = 0; seed < 300; seed++) {
        const given = plain(randomCase(1 + (seed % 7), 1 + ((seed * 7) % 40), seed));
        checkKernel(portableRowStatistics, given, randomCotangents(given, randomNumbers(seed)), report, 4e-6);
      }
      expect(report.failures).toEqual([]);
    });
  });
}
