/**
 * Rows in which one entry is far above the rest: each number of them must be right relative to itself, and the gradient
 * relative to the row's largest entry, however small that is.
 */
import type { Outcome, Report } from "./checkKernel.ts";
import { type DotCase, expectedRow, filled, namesOf, plainView, type RowCase, type RowValues } from "./rowCases.ts";

export const gaps: readonly number[] = [5, 8, 12, 20, 30];

const tops = [0, 1, 2, 3];

function confidentLogits(classes: number, gap: number, random: () => number): Float32Array {
  return filled(tops.length * classes, (i) => (i % classes === topOf(i, classes) ? 1.25 : 1.25 - gap - random()));
}

/** The highest column of the row of an entry. */
function topOf(i: number, classes: number): number {
  return tops[Math.floor(i / classes)] % classes;
}

/** Soft targets with so much for the entries that are not the highest: all but one-hot, or one-hot. */
function confidentTargets(classes: number, rest: number, random: () => number): Float32Array {
  return filled(tops.length * classes, (i) =>
    i % classes === topOf(i, classes) ? 1 - rest : (rest * (0.5 + random())) / (classes - 1),
  );
}

export interface ConfidentCase {
  readonly given: RowCase;
  readonly cotangents: RowValues;
}

/** Entropy, and cross entropies against soft targets and a teacher: without labels, and beside labels, right or wrong. */
export function confidentCases(classes: number, gap: number, random: () => number): readonly ConfidentCase[] {
  const rows = tops.length;
  const g = filled(rows, (row) => [1, -0.7, 0.3, 1e-3][row]);
  const absent = { rows, classes, valid: null, targets: null, teacher: null };
  const right = Int32Array.from(tops, (top) => top % classes);
  const wrong = right.map((top) => (top + 1) % classes);
  return [null, right, wrong].flatMap((labels): readonly ConfidentCase[] => {
    const shared = { ...absent, labels, logits: confidentLogits(classes, gap, random) };
    const wanted = labels === null ? (["e"] as const) : (["n", "e"] as const);
    const through = (dot: DotCase, own: Partial<RowCase>): ConfidentCase => {
      const isTeacher = typeof dot.weights === "number";
      const views = [
        { ...plainView, wanted, dots: [dot] },
        ...(isTeacher ? [{ ...plainView, of: "teacher", wanted: ["m", "s"] } as const] : []),
      ];
      return { given: { ...shared, ...own, views }, cotangents: [{ "dot 0": g }, ...(isTeacher ? [{}] : [])] };
    };
    const table = filled(classes, () => 0.5 + random());
    return [
      { given: { ...shared, views: [{ ...plainView, wanted }] }, cotangents: [{ e: g }] },
      ...[0, 1e-12, 1e-7, 1e-3].flatMap((rest) => {
        const targets = confidentTargets(classes, rest, random);
        const dot = { weights: "targets", times: "nll" } as const;
        return [through({ ...dot, table: null }, { targets }), through({ ...dot, table }, { targets })];
      }),
      ...[gap / 2, gap + 3].map((gapOfTeacher) =>
        through({ weights: 1, table: null, times: "nll" }, { teacher: confidentLogits(classes, gapOfTeacher, random) }),
      ),
    ];
  });
}

/** Measures an outcome by what is measured itself. */
export function compareConfident(
  { values, gradient }: Outcome,
  { given, cotangents }: ConfidentCase,
  report: Report,
  tolerance: number,
): void {
  const { rows, classes } = given;
  report.cases += 1;
  const measure = (name: string, row: number, actual: number, expected: number, unit: number): void => {
    const error = Math.abs(actual - expected) / unit;
    if (error <= tolerance) report.worst[name] = Math.max(report.worst[name] ?? 0, error);
    else if (report.failures.length < 20) {
      const where = `case ${report.cases}, V ${classes}, row ${row}, label ${given.labels?.[row]}`;
      report.failures.push(`${where}: ${name} is ${actual} and should be ${expected}; an error of ${error}`);
    }
  };
  for (let row = 0; row < rows; row++) {
    const [view] = given.views;
    const expected = expectedRow(given, row, view);
    for (const name of namesOf(view)) {
      measure(name, row, values[0][name][row], expected.values[name], expected.values[name]);
    }
    const { entries } = expected.gradient((name) => cotangents[0][name]?.[row] ?? 0);
    const largest = entries.reduce((size, x) => Math.max(size, Math.abs(x)), 0);
    const [through] = Object.keys(cotangents[0]);
    entries.forEach((x, j) => {
      measure(`gradient through ${through}`, row, gradient[row * classes + j], x, largest);
    });
  }
}
