/** The portable row statistics against float64. */
import { beforeAll, describe, expect, test } from "bun:test";
import { portableRowStatistics } from "../../lib/kernels/portable.ts";
import { checkKernel, newReport } from "../browser/checkKernel.ts";
import { everyKindOfRow, type RowCase, randomCase, randomCotangents, randomNumbers } from "../browser/rowCases.ts";
import { backends, startBackend } from "../support/backends.ts";

/**
 * A case without scales, caps and biases: what they make of the logits the portable kernel rounds to float32. Its numbers
 * for rows that are not valid are any.
 */
const unwarped = (given: RowCase): RowCase => ({
  ...{ ...given, valid: null },
  views: given.views.map((view) => ({ ...view, scale: 1, cap: null, bias: 0 })),
});

for (const backend of backends) {
  describe(`the portable kernel on ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("gives every statistic and the gradient of any kind of row", () => {
      const report = newReport();
      for (const classes of [1, 2, 5, 33, 300]) {
        const random = randomNumbers(classes);
        for (const given of everyKindOfRow(classes, 3, random)) {
          checkKernel(portableRowStatistics, given, randomCotangents(given, random), report, 4e-6);
        }
      }
      expect(report.failures).toEqual([]);
    });

    test("gives random sums of random views", () => {
      const report = newReport();
      for (let seed = 0; seed < 300; seed++) {
        const given = unwarped(randomCase(1 + (seed % 7), 1 + ((seed * 7) % 40), seed));
        checkKernel(portableRowStatistics, given, randomCotangents(given, randomNumbers(seed)), report, 4e-6);
      }
      expect(report.failures).toEqual([]);
    });
  });
}
