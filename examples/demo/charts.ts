/**
 * The picture: loss curves, and bars by frequency band. Drawn by Vega without a screen; it then guesses how wide text
 * is, 0.8 of its size a letter, and text that seems wider than its panel pushes the panels apart.
 */
import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { bands } from "../model/bands.ts";
import { runningAverage } from "../report/smoothing.ts";
import { grouped } from "../report/tables.ts";
import type { Results } from "./experiment.ts";

/** Okabe and Ito's colours, which differ for colour-blind eyes too. */
const colours = {
  unigram: "#999999",
  "before fine-tuning": "#56b4e9",
  "cross entropy": "#0072b2",
  PDL: "#d55e00",
} as const;

/** At most so many points are drawn of a curve. */
const pointsPerCurve = 300;

/** A point of a loss curve. */
interface CurvePoint {
  readonly training: string;
  readonly step: number;
  readonly loss: number;
  readonly smoothed: number;
}

/** The picture of an experiment as SVG. */
export async function drawPicture(results: Results): Promise<string> {
  const view = new View(parse(compile(picture(results)).spec), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

function picture(results: Results): TopLevelSpec {
  const { settings } = results;
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    background: "white",
    padding: 20,
    title: {
      text: `Cross entropy and Power-Law Decay Loss (alpha ${settings.alpha}) on State of the Union addresses`,
      fontSize: 17,
      anchor: "start",
      offset: 24,
    },
    spacing: 50,
    resolve: { scale: { color: "independent" }, legend: { color: "independent" } },
    hconcat: [lossCurves(results), bandBars(results)],
    config: {
      font: "Helvetica, Arial, sans-serif",
      axis: { labelFontSize: 12, titleFontSize: 13, titleFontWeight: "normal", titlePadding: 10, gridColor: "#e6e6e6" },
      legend: { labelFontSize: 12, labelLimit: 0, title: null, symbolStrokeWidth: 3, symbolOpacity: 1, offset: 16 },
      title: {
        fontSize: 14,
        subtitleFontSize: 12,
        subtitleColor: "#555555",
        anchor: "start",
        frame: "group",
        offset: 14,
      },
      view: { stroke: null },
    },
  };
}

type Panel = Extract<TopLevelSpec, { hconcat: unknown }>["hconcat"][number];

function lossCurves({ settings, before, crossEntropy, powerLawDecay }: Results): Panel {
  const start = settings.pretraining.steps;
  const values = [
    ...curve("pretraining", before.losses, 0),
    ...curve("cross entropy", crossEntropy.losses, start),
    ...curve("PDL", powerLawDecay.losses, start),
  ];
  const domain = ["pretraining", "cross entropy", "PDL"];
  const range = [colours["before fine-tuning"], colours["cross entropy"], colours.PDL];
  const x = {
    field: "step",
    type: "quantitative",
    title: "training step",
    axis: { tickCount: 6, grid: false },
  } as const;
  const colour = {
    field: "training",
    type: "nominal",
    scale: { domain, range },
    legend: { orient: "bottom", direction: "horizontal" },
  } as const;
  return {
    width: 440,
    height: 320,
    title: {
      text: "Training loss, each by its own loss",
      subtitle: ["PDL's mean is weighted and rises with alpha:", "compare its shape, not its height"],
    },
    data: { values },
    layer: [
      {
        mark: { type: "line", opacity: 0.18, strokeWidth: 1 },
        encoding: {
          x,
          y: { field: "loss", type: "quantitative", scale: { zero: false }, title: "loss (nats per token)" },
          color: colour,
        },
      },
      {
        mark: { type: "line", strokeWidth: 2.2 },
        encoding: { x, y: { field: "smoothed", type: "quantitative" }, color: colour },
      },
      {
        data: { values: [{ step: start }] },
        mark: { type: "rule", strokeDash: [4, 4], color: "#777777" },
        encoding: { x: { field: "step", type: "quantitative" } },
      },
      {
        data: { values: [{ step: start }] },
        mark: { type: "text", align: "right", dx: -6, y: 8, color: "#555555", fontSize: 12, text: "fine-tuning →" },
        encoding: { x: { field: "step", type: "quantitative" } },
      },
    ],
  };
}

/** A loss curve and its running average, thinned out. */
function curve(training: string, losses: readonly number[], start: number): CurvePoint[] {
  const averaged = runningAverage();
  const every = Math.max(1, Math.ceil(losses.length / pointsPerCurve));
  return losses
    .map((loss, i) => ({ training, step: start + i + 1, loss, smoothed: averaged(loss) }))
    .filter((_, i) => i % every === 0 || i === losses.length - 1);
}

function bandBars({ unigram, before, crossEntropy, powerLawDecay, heldOut }: Results): Panel {
  const models = [
    { model: "unigram", measurement: unigram },
    { model: "before fine-tuning", measurement: before.measurement },
    { model: "cross entropy", measurement: crossEntropy.measurement },
    { model: "PDL", measurement: powerLawDecay.measurement },
  ];
  const groups = ["overall", ...bands.map(({ name }) => name)];
  const values = models
    .flatMap(({ model, measurement }) =>
      [measurement.overall, ...measurement.byBand].map((nll, i) => ({ model, group: groups[i], nll })),
    )
    // A short run may measure no token of a band.
    .filter(({ nll }) => Number.isFinite(nll))
    .map((bar) => ({ ...bar, label: bar.nll.toFixed(1) }));
  const domain = Object.keys(colours);
  // The numbers above the highest bars need room.
  const top = Math.ceil(1.08 * Math.max(...values.map(({ nll }) => nll)));
  return {
    width: 560,
    height: 320,
    title: {
      text: "Held-out loss by frequency band",
      subtitle: [
        `${grouped(heldOut.overall)} tokens, by the rank of their frequency`,
        "in the training text; lower is better",
      ],
    },
    data: { values },
    encoding: {
      x: {
        field: "group",
        type: "nominal",
        sort: groups,
        title: "rank of the token",
        axis: { labelAngle: 0, ticks: false, domainColor: "#888888" },
      },
      xOffset: { field: "model", type: "nominal", sort: domain },
      y: {
        field: "nll",
        type: "quantitative",
        title: "loss (nats per token)",
        scale: { domain: [0, top] },
      },
    },
    layer: [
      {
        mark: { type: "bar" },
        encoding: {
          color: {
            field: "model",
            type: "nominal",
            scale: { domain, range: Object.values(colours) },
            legend: { orient: "bottom", direction: "horizontal" },
          },
        },
      },
      {
        mark: { type: "text", dy: -6, fontSize: 9.5, color: "#333333" },
        encoding: { text: { field: "label", type: "nominal" } },
      },
    ],
  };
}
