/** All sections of the gallery, in order. */
import type { Corpus } from "./corpus.ts";
import { overLogits } from "./overLogits.ts";
import { overValues } from "./overValues.ts";
import type { Section } from "./picture.ts";
import { schedules } from "./schedules.ts";
import { smoothing, weights } from "./weights.ts";

/** Those that need no corpus. */
export function sectionsWithoutCorpus(): readonly Section[] {
  return [overLogits(), overValues(), schedules()];
}

export function allSections({ frequencies, addresses }: Corpus): readonly Section[] {
  const [logits, values, steps] = sectionsWithoutCorpus();
  return [logits, values, weights(frequencies), smoothing(frequencies, addresses), steps];
}
