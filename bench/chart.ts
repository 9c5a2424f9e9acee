/** The picture: the time of each contender as a multiple of ours. Drawn by Vega without a screen. */

import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { shapeTitle } from "./batches.ts";
import { describeMachine } from "./machine.ts";
import { passNames } from "./passes.ts";
import type { ContenderName, CrossEntropyResults } from "./results.ts";
import { contenderTitles, passTitles, ratiosToOurs } from "./resultTables.ts";

/** Okabe and Ito's colours, which differ for colour-blind eyes too. */
const colours: Readonly<Partial<Record<ContenderName, string>>> = {
  softmaxCrossEntropy: "#d55e00",
  logSoftmax: "#e69f00",
  softmaxCrossEntropyOnOurs: "#cc79a7",
  logSoftmaxOnOurs: "#f0e442",
  pytorch: "#0072b2",
  copy: "#999999",
};

/** The picture as SVG. */
export async function drawPicture(results: CrossEntropyResults): Promise<string> {
  const view = new View(parse(compile(picture(results)).spec), { renderer: "none" });
  try {
    return titled(await view.toSVG());
  } finally {
    view.finalize();
  }
}

const heading = "Cross entropy: time as a multiple of lossmith's";

/** The picture with one title for those who do not see it, in place of Vega's role for each group of marks. */
function titled(svg: string): string {
  const withoutRoles = svg.replaceAll(/ (?:role|aria-roledescription)="[^"]*"/g, "");
  return withoutRoles.replace(/^<svg[^>]*>/, (tag) => `${tag}<title>${heading}</title>`);
}

function picture({ machine, backends }: CrossEntropyResults): TopLevelSpec {
  const bars = backends.flatMap(({ backend, cases }) =>
    cases.flatMap((measured) =>
      passNames.flatMap((pass) =>
        ratiosToOurs(measured, pass).map(([name, ratio]) => ({
          backend,
          pass: passTitles[pass],
          shape: shapeTitle(measured),
          contender: contenderTitles[name],
          ratio,
          label: ratio >= 10 ? ratio.toFixed(0) : ratio.toPrecision(2),
        })),
      ),
    ),
  );
  // The numbers at the ends of the longest bars need room.
  const domainOf = (backend: string): [number, number] => {
    const ratios = bars.filter((bar) => bar.backend === backend).map(({ ratio }) => ratio);
    return [Math.min(1, ...ratios) / 1.8, 1.8 * Math.max(1, ...ratios)];
  };
  // Without room for those that do not run on the backend.
  const contendersOf = (backend: string): string[] =>
    domain.filter((title) => bars.some((bar) => bar.backend === backend && bar.contender === title));
  const names = Object.keys(colours) as ContenderName[];
  const domain = names.map((name) => contenderTitles[name]);
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    background: "white",
    padding: 20,
    title: {
      text: heading,
      subtitle: ["Above 1 is slower than lossmith, below 1 is faster; logarithmic scale", describeMachine(machine)],
      fontSize: 17,
      subtitleFontSize: 12,
      subtitleColor: "#555555",
      anchor: "start",
      offset: 20,
    },
    spacing: 30,
    resolve: { scale: { xOffset: "independent" } },
    vconcat: backends.map(({ backend, cases }) => ({
      hconcat: passNames.map((pass) => ({
        width: 560,
        height: 230,
        title: `${backend}, ${passTitles[pass]}`,
        data: { values: bars.filter((bar) => bar.backend === backend && bar.pass === passTitles[pass]) },
        encoding: {
          x: {
            field: "shape",
            type: "nominal" as const,
            sort: cases.map(shapeTitle),
            title: "rows × classes",
            axis: { labelAngle: 0, ticks: false },
          },
          xOffset: { field: "contender", type: "nominal" as const, scale: { domain: contendersOf(backend) } },
          y: {
            field: "ratio",
            type: "quantitative" as const,
            title: "time ÷ lossmith's",
            scale: { type: "log" as const, domain: domainOf(backend), nice: false },
            axis: { values: [0.001, 0.01, 0.1, 1, 10, 100, 1000], format: "~g" },
          },
        },
        layer: [
          {
            mark: { type: "bar" as const },
            encoding: {
              // Bars start at 1, where a contender takes as long as lossmith.
              y2: { datum: 1 },
              color: {
                field: "contender",
                type: "nominal" as const,
                scale: { domain, range: names.map((name) => colours[name] ?? "black") },
                legend: { orient: "bottom" as const, columns: 3 },
              },
            },
          },
          {
            mark: { type: "text" as const, fontSize: 9.5, color: "#333333", dy: { expr: "datum.ratio < 1 ? 7 : -6" } },
            encoding: { text: { field: "label", type: "nominal" as const } },
          },
        ],
      })),
    })),
    config: {
      aria: false,
      font: "Helvetica, Arial, sans-serif",
      axis: { labelFontSize: 12, titleFontSize: 13, titleFontWeight: "normal", titlePadding: 10, gridColor: "#e6e6e6" },
      legend: { labelFontSize: 12, labelLimit: 0, title: null, offset: 12 },
      title: { fontSize: 14, anchor: "start", frame: "group", offset: 12 },
      view: { stroke: null },
    },
  };
}
