/** Laws as people write them on a command line: powerLaw(0.5), normalise("tokenMean"), powerLaw(1) | clip(0.1, 10). */
import { balanced } from "../library/balanced.ts";
import { classBalanced } from "../library/classBalanced.ts";
import { clip } from "../library/clip.ts";
import { exponentialDecay } from "../library/exponentialDecay.ts";
import { face } from "../library/face.ts";
import { glove } from "../library/glove.ts";
import { idf } from "../library/idf.ts";
import { inverseFrequency } from "../library/inverseFrequency.ts";
import { keepProbability } from "../library/keepProbability.ts";
import { logarithmic } from "../library/logarithmic.ts";
import { normalise } from "../library/normalise.ts";
import { override } from "../library/override.ts";
import { powerLaw } from "../library/powerLaw.ts";
import { ramp } from "../library/ramp.ts";
import { sif } from "../library/sif.ts";
import { stretchedExponential } from "../library/stretchedExponential.ts";
import { temper } from "../library/temper.ts";
import { tlat } from "../library/tlat.ts";
import { zipfMandelbrot } from "../library/zipfMandelbrot.ts";
import type { LawCombinator } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import type { Loss } from "../loss/loss.ts";

const laws: Readonly<Record<string, LawCombinator | ((...args: never[]) => LawCombinator)>> = {
  balanced,
  classBalanced,
  clip,
  exponentialDecay,
  face,
  glove,
  idf,
  inverseFrequency,
  keepProbability,
  logarithmic,
  normalise,
  override,
  powerLaw,
  ramp,
  sif,
  stretchedExponential,
  temper,
  tlat,
  zipfMandelbrot,
};

type Weighted = Loss<"logits", "with a weight field">;

/** The laws that a text names, the first applied first; a LossError where it names none. */
export function lawsOf(text: string): (loss: Weighted) => Weighted {
  const steps = text.split("|").map((part) => lawOf(part.trim()));
  return (loss) => steps.reduce((before, law) => law(before), loss);
}

function lawOf(text: string): LawCombinator {
  const match = /^(\w+)(?:\s*\(([\s\S]*)\))?$/.exec(text);
  const refuse = (what: string, remedy: string): never => {
    throw new LossError(`--law ${JSON.stringify(text)}`, what, remedy);
  };
  if (match === null) return refuse("it is no law", "Write one as in code: powerLaw(0.5)");
  const [, name, list] = match;
  if (!Object.hasOwn(laws, name))
    return refuse(`"${name}" is not known`, `Give one of ${Object.keys(laws).join(", ")}`);
  const law = laws[name];
  if (!("role" in law) && !("law" in law)) {
    const args = argumentsOf(list ?? "");
    if (args === null) return refuse("its arguments cannot be read", 'Give numbers, "texts" and { names: numbers }');
    return (law as (...args: readonly unknown[]) => LawCombinator)(...args);
  }
  if ((list ?? "").trim() !== "") return refuse(`${name} takes no arguments`, `Write ${name}`);
  return law as LawCombinator;
}

/** Arguments as JavaScript has them, as far as they are data; null where they are not. */
function argumentsOf(list: string): readonly unknown[] | null {
  const json = list
    .replaceAll("'", '"')
    .replace(/([{,]\s*)(\w+)\s*:/g, '$1"$2":')
    .replace(/(^|[\s,:[-])\.(?=\d)/g, "$10.");
  try {
    return JSON.parse(`[${json}]`);
  } catch {
    return null;
  }
}
