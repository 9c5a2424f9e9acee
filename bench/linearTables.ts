/** What was measured of the linear form, as tables. */
import type { LinearAlone, LinearMeasured, LinearOnWebGPU, LinearResults, LinearShape } from "./linearResults.ts";
import { linearForms } from "./linearResults.ts";
import { grouped, type TitledTable, threeDigits } from "./tables.ts";

const megabytes = (bytes: number): string => `${threeDigits(bytes / 1e6)} MB`;
const logitsOf = ({ rows, classes }: LinearShape): number => 4 * rows * classes;
const kernelOf = ({ width, classes }: LinearShape): number => 4 * width * classes;
const sizeOf = ({ rows, width, classes }: LinearShape): string => `${grouped(rows)} × ${width} × ${grouped(classes)}`;

/** The peak, with what it is of the logits. */
function peakOf(shape: LinearShape, bytes: number): string {
  return `${megabytes(bytes)} (${(bytes / logitsOf(shape)).toFixed(2)})`;
}

/** All forms at one size. */
export function formsTable(measured: LinearMeasured): TitledTable {
  const allowed = 0.1 * logitsOf(measured) + kernelOf(measured);
  return {
    title:
      `wasm, N × D × V = ${sizeOf(measured)}: value and all gradients, ${measured.rounds} rounds; logits ${megabytes(logitsOf(measured))}, ` +
      `kernel ${megabytes(kernelOf(measured))}, a tenth of the one and the other ${megabytes(allowed)}`,
    table: {
      header: ["form", "median ms", "over linear", "peak bytes beside inputs and gradients (over the logits)"],
      rows: linearForms.map((form) => [
        form,
        threeDigits(measured.milliseconds[form]),
        threeDigits(measured.ratios[form]),
        peakOf(measured, measured.peakBytes[form] ?? Number.NaN),
      ]),
    },
  };
}

/** Sizes that only the linear form has. */
export function aloneTable(
  largest: LinearAlone,
  { device, binding, error, refused, ...webgpu }: LinearOnWebGPU,
): TitledTable {
  const row = (name: string, one: LinearAlone): readonly string[] => [
    name,
    sizeOf(one),
    megabytes(logitsOf(one)),
    (one.milliseconds / 1000).toFixed(1),
    peakOf(one, one.peakBytes),
  ];
  const errors = Object.entries(error).map(([name, each]) => `${name} ${each.toExponential(0)}`);
  return {
    title:
      `What no dense form computes, by the linear form: on wasm beyond its 4 GiB; on webgpu (${device}) beyond a binding of ${megabytes(binding)}, ` +
      `where the dense form ${refused === null ? "computes too" : "is refused"}; distance from float64 there, relative to the largest entry: ${errors.join(", ")}`,
    table: {
      header: ["backend", "N × D × V", "logits", "seconds", "peak bytes beside inputs and gradients (over the logits)"],
      rows: [row("wasm", largest), row("webgpu", webgpu)],
    },
  };
}

export function linearTables({ shapes, largest, webgpu }: LinearResults): readonly TitledTable[] {
  return [...shapes.map(formsTable), aloneTable(largest, webgpu)];
}
