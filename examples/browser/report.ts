/** The parts of the page that a run fills, beside the chart. */
import type { BackendReport } from "lossmith";
import { element, made } from "./elements.ts";
import { failureOf } from "./failure.ts";
import type { Contender, Measured, Phase } from "./fineTuning.ts";
import { describeBackend, kernelsOf } from "./kernels.ts";
import type { Curve } from "./lossChart.ts";
import { titles } from "./losses.ts";
import type { Sample } from "./sample.ts";
import type { LossName, Settings } from "./settings.ts";

/** The curve of a model; its colour is in the stylesheet. */
export function curveOf(name: Measured["name"]): Curve {
  return { name, title: name === "pretraining" ? "pretraining, cross entropy" : titles[name], colour: `--${name}` };
}

export function showStatus(text: string): void {
  element("status", HTMLElement).textContent = text;
}

const phases: Readonly<Record<Phase, string>> = {
  pretraining: "Pretraining by cross entropy",
  "fine-tuning": "Fine-tuning",
  finished: "Finished",
};

export function showPhase(phase: Phase): void {
  showStatus(phases[phase]);
}

export function showFailure(error: unknown): void {
  const { where, what, remedy } = failureOf(error);
  const section = element("failure", HTMLElement);
  section.replaceChildren(
    made("strong", "Something went wrong"),
    made("p", ...(where === null ? [] : [made("code", where), ": "]), what.replace(/\.*$/, ".")),
    made("p", remedy),
  );
  section.hidden = false;
}

/** Something that is worth knowing, and stops nothing. */
export function showNotice(text: string): void {
  const section = element("failure", HTMLElement);
  section.replaceChildren(made("p", text));
  section.hidden = false;
}

export function clearReport(): void {
  const failure = element("failure", HTMLElement);
  failure.hidden = true;
  failure.replaceChildren();
  element("steps", HTMLElement).textContent = "";
  element("progress", HTMLProgressElement).value = 0;
  for (const id of ["fused", "speed", "scheduled", "tensors"]) element(id, HTMLElement).textContent = "–";
  tbody().replaceChildren();
}

export function showBackend(report: BackendReport): void {
  element("backend", HTMLElement).textContent = describeBackend(report);
}

/** For each loss what reads its logits; why "auto" passed over other backends; and all that `explain` has to say. */
export function showKernels(
  { backend, passedOver }: BackendReport,
  contenders: readonly Contender[],
  registered: number,
): void {
  const explained = contenders.map(({ name, loss }) => ({ title: titles[name], ...kernelsOf(loss) }));
  const fused = explained.filter(({ isFused }) => isFused).length;
  element("fused", HTMLElement).textContent =
    fused === explained.length ? `fused for ${backend}` : `${fused} of ${explained.length} fused for ${backend}`;
  const table = made("table", made("thead", headings("loss", "row statistics", "self-test")));
  table.className = "kernels";
  const rows = explained.map(({ title, isFused, reads }) =>
    made("tr", made("td", title), made("td", reads), made("td", isFused ? "passed on this device" : "not used")),
  );
  table.append(made("tbody", ...rows));
  const others = made("p", `Everything else: ${registered} kernels of TensorFlow.js for ${backend}.`);
  const passed = passedOver.map((one) => made("li", made("strong", one.backend), `: ${one.because}`));
  const plans = explained.map(({ title, explanation }) =>
    made("details", made("summary", `What explain says of ${title}`), made("pre", explanation)),
  );
  element("kernels", HTMLElement).replaceChildren(
    table,
    others,
    ...(passed.length === 0 ? [] : [made("p", "Passed over by “auto”:"), made("ul", ...passed)]),
    ...plans,
  );
}

function headings(...titles: readonly string[]): HTMLElement {
  const cells = titles.map((title) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = title;
    return cell;
  });
  return made("tr", ...cells);
}

/** The table of numbers has the last ones of a long run: a page with more rows grows slow. */
const mostRows = 4000;

/** Step, speed and the table of numbers. */
export function makeStepReport({ steps, pretraining }: Settings): (measured: Measured) => void {
  const all = steps + pretraining;
  const scheduled = new Map<Measured["name"], string>();
  let tokensPerSecond = 0;
  return ({ name, step, loss, crossEntropy, rare, numbers, tokens, took, skipped }) => {
    const isBefore = name === "pretraining";
    element("steps", HTMLElement).textContent =
      `step ${isBefore ? step : step - pretraining} of ${isBefore ? pretraining : steps}`;
    element("progress", HTMLProgressElement).value = step / all;
    const now = (1000 * tokens) / took;
    tokensPerSecond = tokensPerSecond === 0 ? now : 0.9 * tokensPerSecond + 0.1 * now;
    element("speed", HTMLElement).textContent = Math.round(tokensPerSecond).toLocaleString("en");
    const others = Object.entries(numbers).map(([key, value]) => `${key} ${Number(value.toPrecision(3))}`);
    if (others.length > 0) scheduled.set(name, others.join(", "));
    element("scheduled", HTMLElement).textContent = [...scheduled.values()].join("; ") || "nothing";
    const cells = [
      String(step),
      curveOf(name).title,
      loss.toFixed(4),
      crossEntropy.toFixed(4),
      rare.toFixed(4),
      others.join(", "),
    ];
    tbody().append(made("tr", ...cells.map((text) => made("td", text))));
    if (tbody().rows.length > mostRows) tbody().deleteRow(0);
    if (skipped !== null) showNotice(`Step ${step} of ${curveOf(name).title} changed nothing: ${skipped}.`);
  };
}

function tbody(): HTMLTableSectionElement {
  return element("numbers", HTMLTableElement).tBodies[0];
}

/** The number of tensors, and since which round of steps it is the same. */
export function makeTensorReport(): (count: number) => void {
  let before = -1;
  let unchanged = 0;
  return (count) => {
    unchanged = count === before ? unchanged + 1 : 0;
    before = count;
    element("tensors", HTMLElement).textContent =
      unchanged === 0 ? `${count}` : `${count}, flat for ${unchanged} ${unchanged === 1 ? "step" : "steps"}`;
  };
}

/** The last sample of each model. */
export function makeSampleReport(): (name: LossName, step: number, sample: Sample) => void {
  const shown = new Map<LossName, HTMLElement>();
  return (name, step, { prompt, continuation }) => {
    const known = shown.get(name) ?? made("div");
    if (!shown.has(name)) {
      shown.set(name, known);
      element("samples", HTMLElement).replaceChildren(...shown.values());
    }
    const term = made("dt", `${titles[name]}, after ${step} steps`);
    term.style.setProperty("--colour", `var(${curveOf(name).colour})`);
    known.replaceChildren(term, made("dd", prompt, made("q", continuation)));
  };
}
