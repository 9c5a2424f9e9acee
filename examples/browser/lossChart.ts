/** The loss curves, drawn as they grow. */
import uPlot from "uplot";
import { runningAverage } from "../report/smoothing.ts";

/** Which of the numbers of a step are drawn. */
export type Measure = "crossEntropy" | "rare" | "loss";

/** A curve and what it looks like. */
export interface Curve {
  readonly name: string;
  readonly title: string;
  /** The custom property of the stylesheet that holds its colour. */
  readonly colour: string;
}

/** The numbers of one step; NaN where there is none. */
export interface CurvePoint extends Readonly<Record<Measure, number>> {
  readonly name: string;
  /** 1 at the first. */
  readonly step: number;
}

export interface LossChart {
  /** Clears the chart for a new run, in which fine-tuning begins after this many steps. */
  begin(curves: readonly Curve[], pretraining: number): void;
  add(point: CurvePoint): void;
  /** Takes the curves away. */
  clear(): void;
  show(measure: Measure): void;
}

/** The numbers of one curve by step, as measured and as a running average; null where there is none. */
interface Numbers {
  readonly raw: (number | null)[];
  readonly smooth: (number | null)[];
  readonly average: (value: number) => number;
}

const measures: readonly Measure[] = ["crossEntropy", "rare", "loss"];
/** Of a running average: runs are a few hundred steps, or a few dozen. */
const memory = 0.9;
const height = 340;

/**
 * A chart in `host`, whose legend, in `legend`, has the running averages at the pointer, or else the last ones. It is drawn at
 * most once a frame.
 */
export function makeLossChart(host: HTMLElement, legend: HTMLElement): LossChart {
  let curves: readonly Curve[] = [];
  let numbers = new Map<string, Readonly<Record<Measure, Numbers>>>();
  let plot: uPlot | null = null;
  let measure: Measure = "crossEntropy";
  let fineTuningFrom = 0;
  let last = 0;
  let isAwaited = false;

  const dataNow = (): uPlot.AlignedData => [
    Array.from({ length: last }, (_, i) => i + 1),
    ...curves.flatMap(({ name }) => {
      const { raw, smooth } = numbersOf(name)[measure];
      return [padded(raw, last), padded(smooth, last)];
    }),
  ];
  const numbersOf = (name: string): Readonly<Record<Measure, Numbers>> => {
    const known = numbers.get(name) ?? { crossEntropy: noNumbers(), rare: noNumbers(), loss: noNumbers() };
    numbers.set(name, known);
    return known;
  };
  const drawLegend = (): void => {
    const at = plot?.cursor.idx ?? null;
    const entries = curves.map(({ name, title, colour }) => {
      const { smooth } = numbersOf(name)[measure];
      const value = at === null ? smooth.findLast((one) => one !== null) : smooth[at];
      const entry = document.createElement("li");
      entry.style.setProperty("--colour", `var(${colour})`);
      const figure = document.createElement("output");
      figure.textContent = value === null || value === undefined ? "–" : value.toFixed(3);
      entry.append(title, figure);
      return entry;
    });
    legend.replaceChildren(...entries);
  };
  const redraw = (): void => {
    if (isAwaited) return;
    isAwaited = true;
    requestAnimationFrame(() => {
      isAwaited = false;
      plot?.setData(dataNow());
      drawLegend();
    });
  };
  const markFineTuning = ({ ctx, bbox, valToPos }: uPlot): void => {
    if (fineTuningFrom === 0 || last <= fineTuningFrom) return;
    const x = valToPos(fineTuningFrom, "x", true);
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colourOf("--muted");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.fillText("fine-tuning →", x + 6 * devicePixelRatio, bbox.top + 14 * devicePixelRatio);
    ctx.restore();
  };
  const axis = (label: string): uPlot.Axis => ({
    label,
    labelSize: 22,
    stroke: () => colourOf("--muted"),
    font: "12px system-ui, sans-serif",
    labelFont: "12px system-ui, sans-serif",
    grid: { stroke: () => colourOf("--line"), width: 1 },
    ticks: { stroke: () => colourOf("--line"), width: 1 },
  });
  const build = (): void => {
    plot?.destroy();
    const options: uPlot.Options = {
      ...{ width: Math.max(host.clientWidth, 200), height },
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false }, points: { show: false } },
      scales: { x: { time: false } },
      axes: [
        { ...axis("training step"), size: 34, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000] },
        axis("nats per token"),
      ],
      series: [
        {},
        ...curves.flatMap(({ title, colour }): uPlot.Series[] => [
          {
            label: title,
            stroke: () => colourOf(colour),
            width: 1,
            alpha: 0.3,
            points: { show: false },
          },
          { label: `${title}, running average`, stroke: () => colourOf(colour), width: 2.5, points: { show: false } },
        ]),
      ],
      hooks: { setCursor: [drawLegend], draw: [markFineTuning] },
    };
    plot = new uPlot(options, dataNow(), host);
    drawLegend();
  };

  new ResizeObserver(() => plot?.setSize({ width: Math.max(host.clientWidth, 200), height })).observe(host);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot?.redraw());

  return {
    begin: (next, pretraining) => {
      curves = next;
      numbers = new Map();
      fineTuningFrom = pretraining;
      last = 0;
      build();
    },
    add: ({ name, step, ...values }) => {
      for (const one of measures) {
        const { raw, smooth, average } = numbersOf(name)[one];
        const value = Number.isFinite(values[one]) ? values[one] : null;
        raw[step - 1] = value;
        smooth[step - 1] = value === null ? null : average(value);
      }
      last = Math.max(last, step);
      redraw();
    },
    clear: () => {
      curves = [];
      numbers = new Map();
      plot?.destroy();
      plot = null;
      drawLegend();
    },
    show: (next) => {
      measure = next;
      redraw();
    },
  };
}

function noNumbers(): Numbers {
  return { raw: [], smooth: [], average: runningAverage(memory) };
}

function padded(values: readonly (number | null)[], length: number): (number | null)[] {
  return Array.from({ length }, (_, i) => values[i] ?? null);
}

/** The colour as it is in the scheme, light or dark, that the visitor has now. */
function colourOf(property: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(property).trim();
}
