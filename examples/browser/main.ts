/** The page: a form, and a run that it starts, pauses and takes back. */
import * as tf from "@tensorflow/tfjs";
import { disposeBackend, useBackend } from "lossmith";
import { loadCorpus } from "./corpus.ts";
import { element } from "./elements.ts";
import { type Observer, run } from "./fineTuning.ts";
import { makeSettingsForm } from "./form.ts";
import { type Measure, makeLossChart } from "./lossChart.ts";
import { exampleJSON, lossOf } from "./losses.ts";
import { lossOfContext } from "./lostContext.ts";
import { makePause } from "./pause.ts";
import {
  clearReport,
  curveOf,
  makeSampleReport,
  makeStepReport,
  makeTensorReport,
  showBackend,
  showFailure,
  showKernels,
  showNotice,
  showPhase,
  showStatus,
} from "./report.ts";
import { defaults, readSettings, type Settings } from "./settings.ts";

const address = readSettings(new URLSearchParams(location.search), { ...defaults, json: exampleJSON() });
const form = makeSettingsForm(address.settings);
if (address.problems.length > 0) showNotice(`In the address, ${address.problems.join("; ")}.`);

const chart = makeLossChart(element("chart", HTMLElement), element("legend", HTMLElement));
const measure = element("measure", HTMLSelectElement);
measure.addEventListener("change", () => chart.show(measure.value as Measure));

const startButton = element("start", HTMLButtonElement);
const pauseButton = element("pause", HTMLButtonElement);
const resetButton = element("reset", HTMLButtonElement);
const pause = makePause();

/** The run on the page. */
interface Running {
  readonly abort: () => void;
  /** Resolves when it has ended, in whichever way. */
  readonly ended: Promise<void>;
  hasFailed: boolean;
}
let running: Running | null = null;

startButton.addEventListener("click", async () => {
  if (!form.isRight()) return;
  startButton.disabled = true;
  showStatus("Starting …");
  await takeBack();
  form.enable(false);
  pauseButton.disabled = resetButton.disabled = false;
  const ending = new AbortController();
  const ended = begin(form.read(), ending.signal).catch((error: unknown) => {
    if (ending.signal.aborted) return;
    started.hasFailed = true;
    showStatus("Stopped");
    showFailure(error);
  });
  const started: Running = { abort: () => ending.abort(), ended, hasFailed: false };
  running = started;
  await ended;
  pauseButton.disabled = true;
  startButton.disabled = false;
  form.enable(true);
});

pauseButton.addEventListener("click", () => pauseIs(!pause.isOn));

resetButton.addEventListener("click", async () => {
  resetButton.disabled = true;
  showStatus("Ending the run …");
  await takeBack();
  clearReport();
  chart.clear();
  showStatus("Press Start.");
});

/** Ends the run that there is, and leaves nothing of it on the device. */
async function takeBack(): Promise<void> {
  if (running === null) return;
  const { abort, ended } = running;
  abort();
  pauseIs(false);
  await ended;
  // A backend that failed is started anew by the next run.
  if (running?.hasFailed === true) await disposeBackend();
  running = null;
}

function pauseIs(isOn: boolean): void {
  pause.set(isOn);
  pauseButton.textContent = isOn ? "Resume" : "Pause";
}

async function begin(settings: Settings, signal: AbortSignal): Promise<void> {
  clearReport();
  showStatus(`Starting ${settings.backend === "auto" ? "a backend" : settings.backend} …`);
  const report = await useBackend(settings.backend, { report: true });
  showBackend(report);
  const corpus = await loadCorpus(settings.vocabulary);
  const contenders = settings.losses.map((name) => ({ name, loss: lossOf(name, settings, corpus.vocabulary) }));
  showKernels(report, contenders, tf.getKernelsForBackend(report.backend).length);
  signal.throwIfAborted();

  const before = settings.pretraining > 0 ? [curveOf("pretraining")] : [];
  chart.begin([...before, ...contenders.map(({ name }) => curveOf(name))], settings.pretraining);
  const showStep = makeStepReport(settings);
  const observer: Observer = {
    phase: showPhase,
    measured: (measured) => {
      chart.add(measured);
      showStep(measured);
    },
    tensors: makeTensorReport(),
    sample: makeSampleReport(),
  };
  const broken = new AbortController();
  const lost = lossOfContext().catch((error: unknown) => {
    broken.abort();
    throw error;
  });
  const either = AbortSignal.any([signal, broken.signal]);
  await Promise.race([lost, run({ settings, corpus, contenders, observer, pause, signal: either })]);
}
