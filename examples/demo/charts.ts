/** The picture: loss curves, and bars by frequency band. */
import { bandBars } from "../report/bandBars.ts";
import { lossCurves } from "../report/lossCurves.ts";
import { drawPanels, palette } from "../report/picture.ts";
import type { Results } from "./experiment.ts";

/** The picture of an experiment as SVG. */
export function drawPicture(results: Results): Promise<string> {
  const { settings, unigram, before, crossEntropy, powerLawDecay, heldOut } = results;
  const start = settings.pretraining.steps;
  const curves = lossCurves({
    title: "Training loss, each by its own loss",
    subtitle: ["PDL's mean is weighted and rises with alpha:", "compare its shape, not its height"],
    curves: [
      { training: "pretraining", colour: palette.lightBlue, losses: before.losses, start: 0 },
      { training: "cross entropy", colour: palette.blue, losses: crossEntropy.losses, start },
      { training: "PDL", colour: palette.vermilion, losses: powerLawDecay.losses, start },
    ],
    mark: { step: start, text: "fine-tuning →" },
  });
  const bars = bandBars(
    [
      { model: "unigram", colour: palette.grey, measurement: unigram },
      { model: "before fine-tuning", colour: palette.lightBlue, measurement: before.measurement },
      { model: "cross entropy", colour: palette.blue, measurement: crossEntropy.measurement },
      { model: "PDL", colour: palette.vermilion, measurement: powerLawDecay.measurement },
    ],
    heldOut.overall,
  );
  return drawPanels(
    `Cross entropy and Power-Law Decay Loss (alpha ${settings.alpha}) on State of the Union addresses`,
    [curves, bars],
  );
}
