/** A panel of held-out losses as they change while models are trained. */
import type { Panel } from "./picture.ts";

/** The held-out loss of one model after some of its steps. */
export interface ValidationCurve {
  readonly training: string;
  readonly colour: string;
  readonly points: readonly { readonly step: number; readonly loss: number }[];
}

/** One measure for all models, so that heights compare. */
export function validationCurves(curves: readonly ValidationCurve[], subtitle: readonly string[]): Panel {
  return {
    width: 440,
    height: 320,
    title: { text: "Held-out cross entropy while fine-tuning", subtitle: [...subtitle] },
    data: {
      values: curves.flatMap(({ training, points }) =>
        points.filter(({ loss }) => Number.isFinite(loss)).map((point) => ({ training, ...point })),
      ),
    },
    mark: { type: "line", strokeWidth: 2.2, point: { filled: true, size: 40 } },
    encoding: {
      x: { field: "step", type: "quantitative", title: "fine-tuning step", axis: { tickCount: 6, grid: false } },
      y: { field: "loss", type: "quantitative", scale: { zero: false }, title: "nats per token" },
      color: {
        field: "training",
        type: "nominal",
        scale: { domain: curves.map(({ training }) => training), range: curves.map(({ colour }) => colour) },
        legend: { orient: "bottom", direction: "horizontal", columns: 3 },
      },
    },
  };
}
