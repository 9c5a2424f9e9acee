/**
 * Pictures of panels side by side, drawn by Vega without a screen; it then guesses how wide text is, 0.8 of its size a
 * letter, and text that seems wider than its panel pushes the panels apart.
 */
import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

/** One panel. */
export type Panel = Extract<TopLevelSpec, { hconcat: unknown }>["hconcat"][number];

/** Okabe and Ito's colours, which differ for colour-blind eyes too. */
export const palette = {
  grey: "#999999",
  lightBlue: "#56b4e9",
  blue: "#0072b2",
  vermilion: "#d55e00",
  orange: "#e69f00",
  yellow: "#f0e442",
  green: "#009e73",
  purple: "#cc79a7",
  black: "#000000",
} as const;

/** The panels side by side, as SVG. */
export async function drawPanels(title: string, panels: readonly Panel[]): Promise<string> {
  const view = new View(parse(compile(picture(title, panels)).spec), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

function picture(title: string, panels: readonly Panel[]): TopLevelSpec {
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    background: "white",
    padding: 20,
    title: { text: title, fontSize: 17, anchor: "start", offset: 24 },
    spacing: 50,
    resolve: { scale: { color: "independent" }, legend: { color: "independent" } },
    hconcat: [...panels],
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
