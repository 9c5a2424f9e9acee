/** The pictures of an experiment: curves, and bars by frequency band. */
import { bandBars } from "../report/bandBars.ts";
import { lossCurves } from "../report/lossCurves.ts";
import { drawPanels, palette } from "../report/picture.ts";
import { validationCurves } from "../report/validationCurves.ts";
import type { Results } from "./experiment.ts";

/** Held-out losses while fine-tuning, and the training losses, as SVG. */
export function drawCurves(title: string, { before, contenders, settings }: Results): Promise<string> {
  const { validationPairs, pretraining } = settings.preset;
  const training = lossCurves({
    title: "Training loss, each by its own loss",
    subtitle: ["Weighted means differ in height:", "compare their shapes"],
    curves: [
      { training: "pretraining", colour: palette.lightBlue, losses: before.losses, start: 0 },
      ...contenders.map(({ name, colour, losses }) => ({ training: name, colour, losses, start: pretraining.steps })),
    ],
    mark: { step: pretraining.steps, text: "fine-tuning →" },
  });
  const validation = validationCurves(
    contenders.map(({ name, colour, validation: points }) => ({ training: name, colour, points })),
    [`Plain cross entropy of at most ${validationPairs} held-out`, "responses, whatever is minimised; lower is better"],
  );
  return drawPanels(title, [training, validation]);
}

/** Held-out losses by frequency band, as SVG. */
export function drawBands(title: string, { unigram, before, contenders, measured }: Results): Promise<string> {
  const bars = bandBars(
    [
      { model: "unigram", colour: palette.grey, measurement: unigram },
      { model: "before fine-tuning", colour: palette.lightBlue, measurement: before.measurement },
      ...contenders.map(({ name, colour, measurement }) => ({ model: name, colour, measurement })),
    ],
    measured.overall,
  );
  return drawPanels(title, [bars]);
}
