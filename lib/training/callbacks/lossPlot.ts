import { LossError } from "../../loss/error.ts";
import { importOptional } from "../../runtime/webgpu/optional.ts";
import { writeAtomically } from "../file.ts";
import { runningAverage } from "./runningAverage.ts";
import type { TrainingCallback } from "./trainingCallback.ts";

/** Options of `lossPlot` and `drawLosses`. */
export interface LossPlotOptions {
  /** The title; "Loss" by default. */
  readonly title?: string;
  /** Width and height of the plot in pixels, 640 and 360 by default. */
  readonly width?: number;
  readonly height?: number;
}

/** The losses of a training: of each step, and of validation after some steps. */
export interface Losses {
  readonly steps: readonly number[];
  /** How many steps had been taken, and the loss. */
  readonly validation?: readonly { readonly steps: number; readonly loss: number }[];
}

interface Vega {
  readonly parse: (spec: unknown) => unknown;
  readonly View: new (runtime: unknown, options: object) => { toSVG(): Promise<string>; finalize(): unknown };
}

interface VegaLite {
  readonly compile: (spec: object) => { readonly spec: unknown };
}

/** At most so many points of a curve are drawn. */
const pointsOfCurve = 400;

/**
 * A picture of losses as SVG: those of the steps, thin, their running average, and the validation's as points. Losses that are not
 * finite are left out. Drawn by the packages vega and vega-lite, optional peers.
 *
 * @throws LossError where these are missing, or no loss is finite.
 *
 * @example
 * ```ts
 * import { drawLosses } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const svg = await drawLosses({ steps: [3, 2, 1.5], validation: [{ steps: 3, loss: 1.7 }] }, { title: "A short training" });
 * expect(svg).toMatch(/^<svg/);
 * expect(svg).toContain("A short training");
 * ```
 */
export async function drawLosses(losses: Losses, options: LossPlotOptions = {}): Promise<string> {
  const { title = "Loss", width = 640, height = 360 } = options;
  const where = "drawLosses(losses)";
  const points = pointsOf(losses);
  if (points.length === 0) throw new LossError(where, "no loss is finite", "Draw a training that has some");
  const [vega, vegaLite] = (await Promise.all(["vega", "vega-lite"].map(importOptional))) as [
    Vega | null,
    VegaLite | null,
  ];
  if (vega === null || vegaLite === null) {
    throw new LossError(where, "the packages vega and vega-lite are missing", "npm install vega vega-lite");
  }
  const x = { field: "step", type: "quantitative", title: "step", axis: { grid: false } };
  const y = { field: "loss", type: "quantitative", title: "loss", scale: { zero: false } };
  const domain = ["of a step", "running average", "validation"];
  const color = {
    field: "series",
    type: "nominal",
    title: null,
    scale: { domain, range: ["#9ecae1", "#0072b2", "#d55e00"] },
    legend: { orient: "bottom" },
  };
  const of = (series: string): object => ({ filter: `datum.series === '${series}'` });
  const { spec } = vegaLite.compile({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    background: "white",
    width,
    height,
    title,
    data: { values: points },
    encoding: { x, y, color },
    layer: [
      { transform: [of(domain[0])], mark: { type: "line", strokeWidth: 1 } },
      { transform: [of(domain[1])], mark: { type: "line", strokeWidth: 2 } },
      { transform: [of(domain[2])], mark: { type: "line", strokeWidth: 2, point: { filled: true } } },
    ],
  });
  const view = new vega.View(vega.parse(spec), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

interface Point {
  readonly series: string;
  readonly step: number;
  readonly loss: number;
}

function pointsOf({ steps, validation = [] }: Losses): readonly Point[] {
  const averaged = runningAverage();
  const every = Math.max(1, Math.ceil(steps.length / pointsOfCurve));
  const curves = steps.flatMap((loss, i): Point[] => {
    const average = averaged(loss);
    if (i % every !== 0 && i !== steps.length - 1) return [];
    const step = i + 1;
    return [
      { series: "of a step", step, loss },
      { series: "running average", step, loss: average },
    ];
  });
  const points = validation.map(({ steps: step, loss }): Point => ({ series: "validation", step, loss }));
  return [...curves, ...points].filter(({ loss }) => Number.isFinite(loss));
}

/**
 * A callback that draws the losses of a training when it ends, to an SVG file or for a function that takes the text. The
 * validation's losses are those of the logs of epochs, "val_loss".
 *
 * @example
 * ```ts
 * import { lossPlot } from "lossmith/training";
 * import { expect } from "expect";
 *
 * let svg = "";
 * const plot = lossPlot((text) => {
 *   svg = text;
 * });
 * await plot.onTrainBegin();
 * for (let batch = 0; batch < 10; batch++) await plot.onBatchEnd(batch, { loss: 1 / (1 + batch) });
 * await plot.onEpochEnd(0, { val_loss: 0.3 });
 * await plot.onTrainEnd();
 * expect(svg).toContain("validation");
 * ```
 */
export function lossPlot(
  to: string | ((svg: string) => void | Promise<void>),
  options: LossPlotOptions = {},
): TrainingCallback {
  const where = "lossPlot(to)";
  if (typeof to !== "string" && typeof to !== "function") {
    throw new LossError(where, `got ${String(to)}`, "Give the path of an SVG file, or a function of its text");
  }
  let steps: number[] = [];
  let validation: { steps: number; loss: number }[] = [];
  return {
    onTrainBegin: async () => {
      [steps, validation] = [[], []];
    },
    onBatchEnd: async (_, logs = {}) => {
      steps.push(logs["loss"] ?? Number.NaN);
    },
    onEpochEnd: async (_, logs = {}) => {
      if (logs["val_loss"] !== undefined) validation.push({ steps: steps.length, loss: logs["val_loss"] });
    },
    onTrainEnd: async () => {
      if (!steps.some(Number.isFinite)) return;
      const svg = await drawLosses({ steps, validation }, options);
      if (typeof to === "function") await to(svg);
      else await writeAtomically(to, new TextEncoder().encode(svg), where);
    },
  };
}
