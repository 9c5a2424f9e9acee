/**
 * Rows that have nearly all of their probability in one place, where targets or a teacher have it too: the gradients of entropy
 * and cross entropy are small numbers between numbers near 1.
 */
import type { Outcome } from "./checkKernel.ts";
import {
  type DotCase,
  expectedRow,
  filled,
  normal,
  plainView,
  type RowCase,
  type RowValues,
  randomNumbers,
  type ViewCase,
} from "./rowCases.ts";

/** By how much the highest entry is above the others. */
export const gaps = [5, 8, 12, 20, 30] as const;

interface ConfidentRows extends Pick<RowCase, "rows" | "classes" | "logits"> {
  readonly teacher: Float32Array;
  readonly targets: Float32Array;
  readonly highest: Int32Array;
}

/** Rows with a teacher that is surer of the highest entry, and soft targets that are entirely sure, surer or less sure. */
export function confidentRows(rows: number, classes: number, gap: number, random: () => number): ConfidentRows {
  const highest = Int32Array.from({ length: rows }, (_, row) =>
    row === 0 ? 0 : row === 1 ? classes - 1 : Math.floor(classes * random()),
  );
  const [logits, teacher, targets] = [0, 1, 2].map(() => new Float32Array(rows * classes));
  highest.forEach((top, row) => {
    const height = normal(random);
    const rest = Math.min(0.5, [0, 0.001, 0.03, 20][row % 4] * classes * Math.exp(-gap - 1));
    for (let j = 0; j < classes; j++) {
      const at = row * classes + j;
      logits[at] = height + (j === top ? gap : -2 * random());
      teacher[at] = height + (j === top ? gap + 2 : -2 * random());
      targets[at] = j === top ? 1 - rest : (2 * rest * random()) / classes;
    }
  });
  return { rows, classes, logits, teacher, targets, highest };
}

export interface ConfidentCase {
  readonly what: string;
  readonly given: RowCase;
  readonly cotangents: RowValues;
}

const names = ["e", "dot 0", "dot 1", "dot 2", "dot 3"];
const rowsOfEach = 4;

/** Each statistic alone, in rows of its own; in several views, with the label left out there and in the teacher's or not. */
export function confidentCases(classes: number, gap: number): readonly ConfidentCase[] {
  const random = randomNumbers(gap);
  const rows = rowsOfEach * names.length;
  const ofEach = names.map((_, i) => filled(rows, (row) => (Math.floor(row / rowsOfEach) === i ? 1 : 0)));
  const cotangents = [Object.fromEntries(names.map((name, i) => [name, ofEach[i]])), {}];
  const table = filled(classes, () => 0.3 + random());
  const dots = (["targets", 1] as const).flatMap((weights) =>
    [null, table].map((table): DotCase => ({ weights, table, times: "nll" })),
  );
  const warps: readonly Partial<ViewCase>[] = [
    {},
    { scale: 0.75, scaleOnDevice: true },
    { scale: 1.25, cap: 400, bias: filled(classes, () => 0.1 * normal(random)) },
  ];
  return warps.flatMap((warp) => {
    const { highest, logits, teacher, ...given } = confidentRows(rows, classes, gap, random);
    const unscaled = (z: number): number => z / (warp.scale ?? 1);
    const of = ([wanted, ofTeacher]: readonly ["n" | "s", "n" | "s"]): ConfidentCase => {
      const views: ViewCase[] = [
        { ...plainView, ...warp, wanted: [wanted, "e"], dots },
        { ...plainView, ...warp, of: "teacher", wanted: [ofTeacher] },
      ];
      const labels = wanted === "n" ? highest : null;
      return {
        what: `V ${classes}, gap ${gap}, ${wanted}, ${ofTeacher} of the teacher, ${Object.keys(warp)}`,
        given: { ...given, logits: logits.map(unscaled), teacher: teacher.map(unscaled), labels, valid: null, views },
        cotangents,
      };
    };
    return [of(["n", "n"]), of(["n", "s"]), of(["s", "s"])];
  });
}

/** What is wrong with a gradient whose error is to be below `tolerance` of the row's largest entry; null if nothing is. */
export function gradientFault(
  { what, given, cotangents }: ConfidentCase,
  { gradient }: Outcome,
  tolerance: number,
): string | null {
  const { rows, classes, views } = given;
  for (let row = 0; row < rows; row++) {
    const exact = expectedRow(given, row, views[0]).gradient((name) => cotangents[0][name]?.[row] ?? 0).entries;
    const largest = exact.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const errors = exact.map((x, j) => Math.abs(gradient[row * classes + j] - x) / largest);
    const worst = errors.findIndex((error) => !(error <= tolerance));
    if (worst < 0) continue;
    const name = names[Math.floor(row / rowsOfEach)];
    return `${what}: through ${name} entry ${worst} of row ${row} has an error of ${errors[worst]}`;
  }
  return null;
}
