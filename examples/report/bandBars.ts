/** A panel of held-out losses by frequency band. */
import { bands } from "../model/bands.ts";
import type { Measurement } from "../model/measurement.ts";
import type { Panel } from "./picture.ts";
import { grouped } from "./tables.ts";

/** The bars of one model. */
export interface Bars {
  readonly model: string;
  readonly colour: string;
  readonly measurement: Measurement;
}

/** Held-out losses of models side by side, for each band. `tokens` is how many were measured. */
export function bandBars(models: readonly Bars[], tokens: number): Panel {
  const groups = ["overall", ...bands.map(({ name }) => name)];
  const values = models
    .flatMap(({ model, measurement }) =>
      [measurement.overall, ...measurement.byBand].map((nll, i) => ({ model, group: groups[i], nll })),
    )
    // A short run may measure no token of a band.
    .filter(({ nll }) => Number.isFinite(nll))
    .map((bar) => ({ ...bar, label: bar.nll.toFixed(1) }));
  const domain = models.map(({ model }) => model);
  const range = models.map(({ colour }) => colour);
  // The numbers above the highest bars need room.
  const top = Math.ceil(1.08 * Math.max(...values.map(({ nll }) => nll)));
  return {
    width: 560,
    height: 320,
    title: {
      text: "Held-out loss by frequency band",
      subtitle: [`${grouped(tokens)} tokens, by the rank of their frequency`, "in the training text; lower is better"],
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
            scale: { domain, range },
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
