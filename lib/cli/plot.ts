import type { TopLevelSpec } from "vega-lite";
import type { CorpusCounts } from "../frequency/corpusCounts.ts";
import { rankedIds } from "../frequency/describeCounts.ts";
import { writeWhole } from "../frequency/files/writeWhole.ts";
import { LossError } from "../loss/error.ts";

/** A law and the weight that it gives each entry. */
export interface WeightCurve {
  readonly law: string;
  readonly weights: Float64Array;
}

/** Okabe and Ito's colours, which differ for colour-blind eyes too. */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/** So many ranks are drawn of each tenfold. */
const pointsPerDecade = 60;

/** Throws where the name's ending tells no kind of picture. */
export function checkPlotName(path: string): void {
  if (/\.(svg|html)$/i.test(path)) return;
  throw new LossError(path, "its ending does not tell what kind of picture it is", "Name it .svg or .html");
}

/** Draws counts by rank, and the weights of each law; the packages that draw are not installed with lossmith. */
export async function plot(path: string, counts: CorpusCounts, curves: readonly WeightCurve[]): Promise<void> {
  const svg = await draw(specOf(counts, curves), path);
  const title = `Token frequencies${counts.vocabulary.tokenizer === null ? "" : ` under ${counts.vocabulary.tokenizer}`}`;
  const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${title.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</title>
<body style="margin: 2em; font-family: sans-serif">
${svg}
</body>
</html>
`;
  await writeWhole(path, path.toLowerCase().endsWith(".html") ? page : svg);
}

async function draw(spec: TopLevelSpec, path: string): Promise<string> {
  let packages: readonly [typeof import("vega"), typeof import("vega-lite")];
  try {
    packages = await Promise.all([import("vega"), import("vega-lite")]);
  } catch {
    throw new LossError(path, "the packages that draw are not installed", "Install them: npm install vega vega-lite");
  }
  const [{ parse, View }, { compile }] = packages;
  const view = new View(parse(compile(spec).spec), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** Ranks that are evenly apart on a logarithmic axis. */
function drawnRanks(seen: number): readonly number[] {
  const steps = Math.ceil(Math.log10(Math.max(seen, 2)) * pointsPerDecade);
  const ranks = Array.from({ length: steps + 1 }, (_, i) => Math.round(seen ** (i / steps)));
  return [...new Set(ranks)];
}

function specOf(counts: CorpusCounts, curves: readonly WeightCurve[]): TopLevelSpec {
  const ranked = rankedIds(counts.counts);
  const ranks = drawnRanks(ranked.length);
  const points = ranks.map((rank) => ({ rank, count: counts.counts[ranked[rank - 1]] }));
  const weights = curves.flatMap(({ law, weights: each }) =>
    // A logarithmic axis has no place for 0.
    ranks.map((rank) => ({ rank, law, weight: each[ranked[rank - 1]] })).filter(({ weight }) => weight > 0),
  );
  const size = { width: 460, height: 340 };
  const x = { field: "rank", type: "quantitative", scale: { type: "log" }, title: "rank" } as const;
  const log = { type: "log" } as const;
  const frequencies = {
    ...size,
    title: "Counts by rank",
    data: { values: points },
    mark: { type: "line", color: colours[0], strokeWidth: 2 },
    encoding: { x, y: { field: "count", type: "quantitative", scale: log, title: "count" } },
  } as const;
  const ofLaws = {
    ...size,
    title: "Weights by rank",
    data: { values: weights },
    mark: { type: "line", strokeWidth: 2 },
    encoding: {
      x,
      y: { field: "weight", type: "quantitative", scale: log, title: "weight" },
      color: {
        field: "law",
        type: "nominal",
        title: null,
        scale: { domain: curves.map(({ law }) => law), range: curves.map((_, i) => colours[i % colours.length]) },
      },
    },
  } as const;
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    background: "white",
    padding: 20,
    hconcat: curves.length === 0 ? [frequencies] : [frequencies, ofLaws],
    config: { font: "Helvetica, Arial, sans-serif", axis: { gridColor: "#e6e6e6" }, legend: { labelLimit: 0 } },
  };
}
