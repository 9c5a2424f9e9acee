/** A picture as SVG, drawn by Vega without a screen. Its white ground keeps it legible on a dark page. */
import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import type { Axis, Curve, Panel, Picture } from "./picture.ts";

/** Okabe and Ito's colours without the yellow, which differ for colour-blind eyes too; then the same again, dashed. */
const colours = ["#000000", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const solid = [1, 0];
const dashed = [6, 5];

/** The picture as SVG, with one title for those who do not see it. */
export async function draw(picture: Picture): Promise<string> {
  const view = new View(parse(compile(specification(picture)).spec), { renderer: "none" });
  try {
    const svg = numbered(await view.toSVG());
    const withoutRoles = svg.replaceAll(/ (?:role|aria-roledescription)="[^"]*"/g, "");
    return `${withoutRoles.replace(/^<svg[^>]*>/, (tag) => `${tag}<title>${escaped(picture.heading)}</title>`)}\n`;
  } finally {
    view.finalize();
  }
}

/** Vega numbers clips through all of a program's pictures; here each begins with 1. */
function numbered(svg: string): string {
  const known = new Map<string, number>();
  return svg.replaceAll(/\bclip(\d+)\b/g, (_, number: string) => {
    const own = known.get(number) ?? known.size + 1;
    known.set(number, own);
    return `clip${own}`;
  });
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** What the legend says of a curve: of a modified cross entropy, the modifier. */
function legendOf({ code, note }: Curve): string {
  const name = code.replace(/^pipe\(crossEntropy, (.*)\)$/, "$1");
  return note === undefined ? name : `${name}: ${note}`;
}

/** Whether a curve lies on another, which dashes then leave to be seen. */
function liesOn({ points }: Curve, other: Curve): boolean {
  const heights = points.map(([, y]) => y).filter(Number.isFinite);
  const size = Math.max(...heights) - Math.min(...heights);
  return points.every(([, y], i) => Math.abs(y - other.points[i][1]) <= 0.01 * size);
}

function specification({ panels }: Picture): TopLevelSpec {
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    background: "white",
    padding: 16,
    spacing: 28,
    resolve: {
      scale: { color: "independent", strokeDash: "independent" },
      legend: { color: "independent", strokeDash: "independent" },
    },
    vconcat: panels.map(drawPanel),
    config: {
      aria: false,
      font: "Helvetica, Arial, sans-serif",
      axis: { labelFontSize: 12, titleFontSize: 13, titleFontWeight: "normal", titlePadding: 8, gridColor: "#e6e6e6" },
      legend: {
        orient: "bottom",
        direction: "vertical",
        columns: 1,
        labelFontSize: 12,
        labelLimit: 0,
        title: null,
        symbolStrokeWidth: 2.5,
        symbolSize: 420,
        offset: 14,
      },
      title: { fontSize: 14, anchor: "start", frame: "group", offset: 10 },
      view: { stroke: null },
    },
  };
}

function drawPanel({ title, x, y, curves }: Panel) {
  const domain = curves.map(legendOf);
  const isDashed = (curve: Curve, i: number): boolean =>
    i >= colours.length || curves.slice(0, i).some((other) => liesOn(curve, other));
  const values = curves.flatMap((curve) =>
    curve.points
      .filter(([px, py]) => [px, py].every(Number.isFinite) && (y.scale !== "log" || py > 0))
      .map(([px, py], order) => ({ curve: legendOf(curve), x: px, y: py, order })),
  );
  return {
    width: 560,
    height: 280,
    title,
    data: { values },
    mark: { type: "line" as const, strokeWidth: 2.2, clip: true },
    encoding: {
      x: { field: "x", type: "quantitative" as const, ...axisOf(x, 8) },
      y: { field: "y", type: "quantitative" as const, ...axisOf(y, 6) },
      order: { field: "order" },
      color: {
        field: "curve",
        type: "nominal" as const,
        scale: { domain, range: domain.map((_, i) => colours[i % colours.length]) },
      },
      strokeDash: {
        field: "curve",
        type: "nominal" as const,
        scale: { domain, range: curves.map((curve, i) => (isDashed(curve, i) ? dashed : solid)) },
      },
    },
  };
}

function axisOf({ title, scale = "linear", domain }: Axis, tickCount: number) {
  const log = scale === "log";
  return {
    title,
    axis: { tickCount, ...(log ? { format: "~g" } : {}) },
    scale: {
      type: scale,
      nice: false,
      ...(log ? {} : { zero: false }),
      ...(domain === undefined ? {} : { domain: [...domain] }),
    },
  };
}
