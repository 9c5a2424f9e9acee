/** The losses that are compared: cross entropy, Power-Law Decay Loss at several alphas, and one of the user's choice. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import * as tf from "@tensorflow/tfjs";
import {
  compile,
  crossEntropy,
  dft,
  type Frequencies,
  focal,
  ignoreIndex,
  type Kind,
  type Loss,
  LossError,
  labelSmoothing,
  lossFromJSON,
  pipe,
  poly,
  unlikelihood,
} from "lossmith";
import { UserError } from "../command/program.ts";
import { plainLoss, powerLawDecayLoss } from "../model/losses.ts";
import type { TrainingLoss } from "../model/modelLoss.ts";
import { ignoredLabel } from "../model/vocabulary.ts";
import { palette } from "../report/picture.ts";

/** One of the losses that are compared. */
export interface Contender {
  readonly name: string;
  /** Its colour in the pictures. */
  readonly colour: string;
  readonly loss: TrainingLoss;
  /** The exponent, where it is Power-Law Decay Loss. */
  readonly alpha: number | null;
}

/** To add a loss of your own, give it a line here, or write it to a file with lossToJSON and name the file. */
const named: Readonly<Record<string, TrainingLoss>> = {
  focal: pipe(crossEntropy, focal({ gamma: 2 })),
  unlikelihood: pipe(crossEntropy, unlikelihood()),
  "label-smoothing": pipe(crossEntropy, labelSmoothing(0.1)),
  poly: pipe(crossEntropy, poly(1)),
  dft: pipe(crossEntropy, dft),
};

/** The losses that can be chosen by name. */
export const lossNames: readonly string[] = Object.keys(named);

const shades: readonly string[] = [palette.yellow, palette.orange, palette.vermilion, palette.purple, palette.black];

/**
 * The losses in the order of the report.
 *
 * @param frequencies of the classes in what the losses are to weigh: the training responses.
 */
export function contenders(
  alphas: readonly number[],
  frequencies: Frequencies,
  endOfText: number,
  chosen: { readonly name: string; readonly loss: TrainingLoss },
): Contender[] {
  const others: Contender[] = [
    { name: "cross entropy", colour: palette.blue, loss: plainLoss, alpha: null },
    ...alphas.map((alpha, i) => ({
      name: `PDL ${alpha}`,
      colour: shades[i % shades.length],
      loss: powerLawDecayLoss({ frequencies, endOfText }, alpha),
      alpha,
    })),
  ];
  const isTaken = others.some(({ name }) => fileName(name) === fileName(chosen.name));
  const name = isTaken ? `${chosen.name} of choice` : chosen.name;
  return [...others, { name, loss: chosen.loss, colour: palette.green, alpha: null }];
}

/** The name of a loss as that of a file. */
export function fileName(name: string): string {
  return name.replaceAll(/[^\w.-]+/g, "-");
}

/**
 * The loss of the user's choice, with the padding's and the prompt's labels ignored.
 *
 * @throws UserError where the file holds no loss over logits, or one that ends in perToken.
 */
export async function chosenLoss(chosen: string): Promise<{ readonly name: string; readonly loss: TrainingLoss }> {
  if (Object.hasOwn(named, chosen)) return { name: chosen, loss: ignoreIndex(ignoredLabel)(named[chosen]) };
  const name = basename(chosen).replace(/\.json$/, "");
  const loss = lossOf(await readFile(chosen, "utf8"), chosen);
  return { name, loss: ignoreIndex(ignoredLabel)(loss as TrainingLoss) };
}

function lossOf(text: string, file: string): Loss<"logits", Kind> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file} is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  return naming(file, () => lossFromJSON(json, { input: "logits" }));
}

/**
 * Runs a loss once on a small batch, so that one that does not fit is known before the training: tables for another vocabulary,
 * inputs that no batch here has.
 *
 * @throws UserError that says what is wrong.
 */
export function tryLoss({ name, loss }: { readonly name: string; readonly loss: TrainingLoss }, classes: number): void {
  naming(`the loss ${name}`, () => {
    const compiled = compile(loss);
    try {
      const rank = tf.tidy(
        () => compiled({ logits: tf.zeros([1, 2, classes]), labels: [[0, ignoredLabel]], step: 0 }).rank,
      );
      if (rank !== 0) throw new UserError(`the loss ${name} gives a number for each token; end it in a mean or a sum`);
    } finally {
      compiled.dispose();
      tf.dispose([...compiled.variables.values()]);
    }
  });
}

function naming<T>(what: string, f: () => T): T {
  try {
    return f();
  } catch (error) {
    if (error instanceof LossError) throw new UserError(`${what}: ${error.message}`);
    throw error;
  }
}
