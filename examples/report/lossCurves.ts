/** A panel of loss curves. */
import type { Panel } from "./picture.ts";
import { runningAverage } from "./smoothing.ts";

/** The losses of one training. */
export interface Curve {
  readonly training: string;
  readonly colour: string;
  readonly losses: readonly number[];
  /** How many steps were taken before. */
  readonly start: number;
}

/** What a panel of curves says. */
export interface CurvesPanel {
  readonly title: string;
  readonly subtitle: readonly string[];
  readonly curves: readonly Curve[];
  /** A line at a step, and what stands to the left of it. */
  readonly mark: { readonly step: number; readonly text: string } | null;
}

/** At most so many points are drawn of a curve. */
const pointsPerCurve = 300;

/** A point of a loss curve. */
interface CurvePoint {
  readonly training: string;
  readonly step: number;
  readonly loss: number;
  readonly smoothed: number;
}

/** Losses of each step, thin, and their running averages. */
export function lossCurves({ title, subtitle, curves, mark }: CurvesPanel): Panel {
  const values = curves.flatMap(pointsOf);
  const domain = curves.map(({ training }) => training);
  const range = curves.map(({ colour }) => colour);
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
    legend: { orient: "bottom", direction: "horizontal", ...(curves.length > 3 && { columns: 3 }) },
  } as const;
  return {
    width: 440,
    height: 320,
    title: {
      text: title,
      subtitle: [...subtitle],
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
      ...(mark === null ? [] : markAt(mark.step, mark.text)),
    ],
  };
}

type Layer = Extract<Panel, { layer: unknown }>["layer"][number];

/** A dashed line at a step, and words to the left of it. */
function markAt(step: number, text: string): Layer[] {
  const data = { values: [{ step }] };
  const encoding = { x: { field: "step", type: "quantitative" } } as const;
  return [
    { data, mark: { type: "rule", strokeDash: [4, 4], color: "#777777" }, encoding },
    { data, mark: { type: "text", align: "right", dx: -6, y: 8, color: "#555555", fontSize: 12, text }, encoding },
  ];
}

/** A loss curve and its running average, thinned out. */
function pointsOf({ training, losses, start }: Curve): CurvePoint[] {
  const averaged = runningAverage();
  const every = Math.max(1, Math.ceil(losses.length / pointsPerCurve));
  return losses
    .map((loss, i) => ({ training, step: start + i + 1, loss, smoothed: averaged(loss) }))
    .filter((_, i) => i % every === 0 || i === losses.length - 1);
}
