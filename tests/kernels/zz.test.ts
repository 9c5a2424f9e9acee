import { test } from "bun:test";
import { expectedRow, randomCase, randomCotangents, randomNumbers } from "../browser/rowCases.ts";

test("x", () => {
  const seed = -1630298689;
  const given = randomCase(3, 4097, seed);
  const cot = randomCotangents(given, randomNumbers(seed));
  for (const row of [0, 1, 2])
    for (const [v, view] of given.views.entries()) {
      const { bias, ...rest } = view;
      console.log(
        row,
        v,
        JSON.stringify({
          ...rest,
          bias: typeof bias === "number" ? bias : "B",
          dots: view.dots.map((d) => ({ w: d.weights, t: d.times, table: d.table && [...d.table.slice(0, 4)] })),
        }),
      );
      console.log(
        given.labels?.[row],
        JSON.stringify(Object.fromEntries(Object.entries(cot[v] ?? {}).map(([k, x]) => [k, x[row]]))),
      );
      const e = expectedRow(given, row, view);
      console.log(JSON.stringify(e.values));
      const g = e.gradient((n) => cot[v]?.[n]?.[row] ?? 0);
      console.log(Math.max(...g.sizes), given.valid?.[row]);
    }
});
