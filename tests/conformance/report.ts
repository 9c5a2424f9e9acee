/** What the matrix found, for a terminal and for docs/support.md. */
import { readFileSync } from "node:fs";
import { renderMarkdown, renderText, type Table } from "../../bench/tables.ts";
import { type Cell, nameOf } from "./cells.ts";
import type { CellResult, Outcome } from "./runCell.ts";

export function countsOf({ parts }: CellResult): { readonly passed: number; readonly failed: number } {
  return {
    passed: parts.reduce((sum, part) => sum + part.passed, 0),
    failed: parts.reduce((sum, part) => sum + part.failed, 0),
  };
}

/** Passed, failed, the largest error and the versions of each cell. */
export function tableOf(outcomes: readonly Outcome[]): string {
  return renderText(cellTable(outcomes));
}

function cellTable(outcomes: readonly Outcome[]): Table {
  return {
    header: ["Runtime × backend", "Passed", "Failed", "Maximum error", "Runtime", "Backend", "Driver"],
    rows: outcomes.map((outcome) => {
      const name = titleOf(outcome.cell);
      if (!("result" in outcome)) return [name, "–", "–", "–", "–", backendVersion(outcome.cell), "–"];
      const { result, cell } = outcome;
      const { passed, failed } = countsOf(result);
      const errors = result.parts.flatMap(({ maxError }) => maxError ?? []);
      return [
        ...[name, String(passed), String(failed), written(Math.max(0, ...errors)), result.version],
        ...[backendVersion(cell), result.adapter?.description ?? "–"],
      ];
    }),
  };
}

function partTable(outcomes: readonly Outcome[]): Table {
  const results = outcomes.flatMap((outcome) => ("result" in outcome ? [outcome] : []));
  const names = results[0]?.result.parts.map(({ name }) => name) ?? [];
  return {
    header: ["Runtime × backend", ...names],
    rows: results.map(({ cell, result }) => [
      titleOf(cell),
      ...result.parts.map(({ passed, failed, maxError }) => {
        const error = maxError === null ? "" : `, ${written(maxError)}`;
        return `${passed}${failed === 0 ? "" : ` of ${passed + failed}`}${error}`;
      }),
    ]),
  };
}

/** Each failure in full, and what was skipped in a line that says what to install. */
export function failuresOf(outcomes: readonly Outcome[], isCI: boolean): readonly string[] {
  return outcomes.flatMap((outcome) => {
    const name = nameOf(outcome.cell);
    if ("missing" in outcome) return [`${name} ${isCI ? "FAILED" : "is skipped"}: ${outcome.missing}`];
    if ("broken" in outcome) return [`${name} FAILED: ${outcome.broken}`];
    return outcome.result.parts.flatMap((part) => {
      const more = part.failed - part.failures.length;
      const texts = part.failures.map((text) => `${name} FAILED, ${part.name}: ${text}`);
      return more > 0 ? [...texts, `${name} FAILED, ${part.name}: ${more} more`] : texts;
    });
  });
}

export interface Summary {
  readonly line: string;
  /** Cells. */
  readonly failed: number;
  readonly skipped: number;
}

/** On CI a cell that lacks its driver is a failure. */
export function summary(outcomes: readonly Outcome[], isCI: boolean): Summary {
  const missing = outcomes.filter((outcome) => "missing" in outcome).length;
  const broken = outcomes.filter((outcome) => "broken" in outcome).length;
  const counts = outcomes.flatMap((outcome) => ("result" in outcome ? [countsOf(outcome.result)] : []));
  const skipped = isCI ? 0 : missing;
  const failed = counts.filter((count) => count.failed > 0).length + broken + (isCI ? missing : 0);
  const checks = counts.reduce((sum, count) => sum + count.passed, 0);
  const failedChecks = counts.reduce((sum, count) => sum + count.failed, 0);
  const passed = outcomes.length - failed - skipped;
  const line =
    `matrix: ${passed} cells passed, ${failed} failed, ${skipped} skipped; ` +
    `${checks} checks passed, ${failedChecks} failed`;
  return { line, failed, skipped };
}

/** docs/support.md. */
export function page(outcomes: readonly Outcome[]): string {
  return `# What runs where

Written by \`npm run matrix\`, which runs one conformance suite in each runtime on each backend. Bun, Deno and Chromium run
the sources, Node the build that is published. webgl and webgpu ran on the software drivers that are named.

${renderMarkdown(cellTable(outcomes))}

The suite, by its parts: how many checks passed, and the largest relative error where one is measured.

${renderMarkdown(partTable(outcomes))}

- _Golden numbers_ are published, or reproduced with PyTorch and optax. Each must agree to half a unit in its last digit, in
  the reference and compiled; the error is that of the compiled value against the float64 reference, 2e-6 at most.
- _Random compositions_ on random batches, others in each cell: value and gradient agree with the float64 reference to
  2e-5, relative to the largest entry, or to a twentieth of the parts that cancel in it. What the reference refuses is refused
  in the same words.
- _Kernel edges_: the backend's own kernel on every kind of row (wide, equal, confident, with −∞, ∞ and NaN) of many lengths,
  random batches, real vocabularies, 70 000 rows and none, against float64: to 2e-6 of max(1, the size of a statistic) and
  of the largest part of a gradient. On a GPU there are fewer of each; in Chromium its kernel's own tests draw the random ones.
- _Wrong input_ gets a LossError that says what was wrong, where, and what would be right.
- _Leaks_: many steps of each feature leave as many tensors and bytes as few. On webgpu each cell takes a part of the features,
  on webgl the only one takes a third; a soak takes all.
- _Training_: an embedding and an output layer for 30 steps; the loss at each step is cpu's to 1e-5 (cpu's is that of the same
  run in float64).

\`npm run matrix -- --cell bun/wasm\` runs one cell, \`--cell bun\` those of a runtime, \`--cell webgpu,deno/cpu\` several. With
\`--soak\` they draw a hundred thousand compositions each. On webgl and webgpu programs are compiled for each composition, so fewer
are drawn. On a machine that lacks a driver the cell is skipped, with a line that says what to install; where CI is set that is
a failure.
`;
}

function titleOf({ runtime, backend }: Cell): string {
  return `${runtime} × ${backend}`;
}

/** The backend's package, and Dawn's where the runtime has no WebGPU of its own. */
function backendVersion({ runtime, backend }: Cell): string {
  const own = versionOf(`@tensorflow/tfjs-backend-${backend}`);
  const hasOwn = backend !== "webgpu" || runtime === "Deno" || runtime === "Chromium";
  return hasOwn ? own : `${own}, webgpu ${versionOf("webgpu")}`;
}

function versionOf(name: string): string {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

function written(error: number): string {
  return error >= Number.MAX_VALUE ? "∞" : error === 0 ? "0" : error.toExponential(1);
}
