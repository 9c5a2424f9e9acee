/** Losses over logits, and what changes them, as curves of the target's probability. */
import { type AnyLoss, evaluate, fromCounts, type PlainBatch, perToken, pipe } from "lossmith";
import { meaningOf } from "./code.ts";
import { type Curve, type Panel, range, type Section } from "./picture.ts";

const classes = 10;
const probabilities = range(0.005, 0.995, 100);

/** Logits at which the target, class 0, has this probability and the others share the rest. */
function logitsAt(p: number): number[] {
  return [Math.log(p / (1 - p)) + Math.log(classes - 1), ...Array.from({ length: classes - 1 }, () => 0)];
}

/** The values of a loss with one row for each probability. */
function perRow(loss: AnyLoss, batch: PlainBatch): readonly number[] {
  return evaluate(pipe(loss as never, perToken) as never, batch) as unknown as number[];
}

const hard: PlainBatch = { logits: probabilities.map(logitsAt), labels: probabilities.map(() => 0) };
const share = (q: number): number[] => [q, ...Array.from({ length: classes - 1 }, () => (1 - q) / (classes - 1))];
const soft: PlainBatch = {
  ...hard,
  labels: probabilities.map(() => share(0.7)),
  teacher: probabilities.map(() => logitsAt(0.7)),
};

/** One other class that has half of what the target leaves is a candidate. */
const beside: PlainBatch = {
  ...hard,
  logits: probabilities.map((p) => [p, (1 - p) / 2, ...new Array(8).fill((1 - p) / 16)].map(Math.log)),
  candidates: probabilities.map(() => [1]),
};

/** Counts of which the target's, 1000, is in the middle. */
const counts = [1000, 100000, 50000, 20000, 10000, 5000, 500, 100, 10, 1];

/** One loss a line. */
function ofProbability(title: string, lines: readonly string[], y: Panel["y"], batch = hard): Panel {
  const curves = lines.map((code): Curve => {
    const values = perRow(meaningOf(code, { counts, frequencies: fromCounts(counts) }), batch);
    return { code, points: probabilities.map((p, i) => [p, values[i]]) };
  });
  return { title, x: { title: "the target's probability p", domain: [0, 1] }, y, curves };
}

const nats = (highest: number, lowest = 0): Panel["y"] => ({
  title: "loss of the row (nats)",
  domain: [lowest, highest],
});

/** Cross entropy, and each modifier of it. */
const modified = (modifiers: readonly string[]): readonly string[] => [
  "crossEntropy",
  ...modifiers.map((modifier) => `pipe(crossEntropy, ${modifier})`),
];

/** The last token of the sequence 1, 0, 1, 0, by its probability. */
function ofRepeats(lines: readonly string[]): Panel {
  const even = new Array(classes).fill(0);
  const batch = {
    logits: probabilities.map((p) => [even, even, even, logitsAt(p)]),
    labels: probabilities.map(() => [1, 0, 1, 0]),
  };
  const curves = lines.map((code): Curve => {
    const values = evaluate(pipe(meaningOf<AnyLoss>(code) as never, perToken) as never, batch) as unknown as number[][];
    return { code, points: probabilities.map((p, i) => [p, values[i][3]]) };
  });
  return {
    title: "The end of a repeat of two",
    x: { title: "the token's probability p", domain: [0, 1] },
    y: nats(6),
    curves,
  };
}

/** Similarities of a row: its own partner's, and 0 to nine others. */
function ofSimilarity(lines: readonly string[]): Panel {
  const similarities = range(-1, 1);
  const batch = {
    logits: similarities.map((s) => [s, ...Array.from({ length: classes - 1 }, () => 0)]),
    labels: similarities.map(() => 0),
  };
  const curves = lines.map((code): Curve => {
    const values = perRow(meaningOf(code), batch);
    return { code, points: similarities.map((s, i) => [s, values[i]]) };
  });
  return {
    title: "InfoNCE, beside nine candidates of similarity 0",
    x: { title: "similarity to the partner" },
    y: nats(8),
    curves,
  };
}

/** The weight of each place in a sequence, of which the first eight are a prompt. */
function ofPosition(lines: readonly string[]): Panel {
  const positions = range(0, 31, 32);
  const batch = {
    logits: [positions.map(() => [0, 0])],
    labels: [positions.map(() => 0)],
    inputs: { prompt: [positions.map((i) => (i < 8 ? 1 : 0))] },
  };
  const curves = lines.map((code): Curve => {
    const loss = pipe(meaningOf<AnyLoss>(code) as never, perToken) as never;
    const [values] = evaluate(loss, batch) as unknown as number[][];
    return { code, points: positions.map((i) => [i, values[i] / Math.LN2]) };
  });
  return {
    title: "Weights of the rows of a sequence",
    x: { title: "position" },
    y: { title: "weight", domain: [0, 1.05] },
    curves,
  };
}

/** The section. */
export function overLogits(): Section {
  return {
    heading: "Losses over logits",
    text:
      "A row has ten classes; the nine that are not the target share the rest of the probability evenly. Counts, where a line reads " +
      "them, are those of `[1000, 100000, 50000, 20000, 10000, 5000, 500, 100, 10, 1]`, the target's first.",
    pictures: [
      {
        name: "losses",
        heading: "The losses",
        text:
          "Where cross entropy grows without bound as the target is missed, generalised cross entropy levels off and symmetric cross entropy is nearly straight: a wrong label pulls less. " +
          "Entmax and sparsemax are 0 as soon as the target leads by enough. `fromProbabilities` reads a softmax's output and is the same loss.",
        panels: [
          ofProbability(
            "Robust losses and sparse ones",
            [
              "crossEntropy",
              "generalisedCrossEntropy({ q: 0.7 })",
              "symmetricCrossEntropy({ alpha: 0.5, beta: 1 })",
              "entmax({ alpha: 1.5 })",
              "sparsemax",
              "ldam({ counts, scale: 1 })",
            ],
            nats(7),
          ),
          ofProbability(
            "The same loss of probabilities in place of logits",
            ["pipe(crossEntropy, fromProbabilities)"],
            nats(6),
            { ...hard, logits: probabilities.map(share) },
          ),
        ],
      },
      {
        name: "soft-labels",
        heading: "Soft labels and teachers",
        text:
          "With a label of 0.7 for the target, and a teacher that gives it 0.7, all are lowest there. Cross entropy keeps the labels' own " +
          "entropy, a divergence does not.",
        panels: [
          ofProbability(
            "Labels and a teacher of 0.7",
            ["crossEntropy", "klDivergence", "distillation()", "distillation({ temperature: 3 })"],
            nats(5),
            soft,
          ),
        ],
      },
      {
        name: "modulators",
        heading: "Modulators",
        text:
          "What multiplies a row's loss by a function of the row, beside plain cross entropy. Focal loss and DFT turn from opposite ends: " +
          "the one from what is known, the other from what is missed. MiLe's weights have a mean of 1 over the rows of the picture, and the selection keeps the hardest half of these.",
        panels: [
          ofProbability(
            "Of the target's probability",
            modified(["focal({ gamma: 2 })", "poly(2)", "mixCE(0.5)", "dft"]),
            nats(6),
          ),
          ofProbability(
            "Of the row's entropy, and of its loss",
            modified([
              "eaft()",
              "mile()",
              "superLoss()",
              "superLoss({ lambda: 0.25 })",
              "tokenSelection(0.5, { reference: null })",
            ]),
            nats(6, -6.5),
          ),
        ],
      },
      {
        name: "candidates",
        heading: "What was said before",
        text:
          "Unlikelihood adds a penalty for each token that stood earlier in the sequence, here one with half of what the target leaves. " +
          "On sequences it punishes what is part of a repeat. ScaleGrad asks less of a token that was seen, and more of one that was not.",
        panels: [
          ofProbability(
            "Beside one candidate",
            [
              "crossEntropy",
              'pipe(crossEntropy, unlikelihood({ candidates: "given" }))',
              'scaleGrad({ gamma: 0.2, seen: "given" })',
            ],
            nats(6),
            beside,
          ),
          ofRepeats(["sequenceUnlikelihood({ n: 2 })"]),
        ],
      },
      {
        name: "penalties",
        heading: "Smoothing and penalties",
        text: "Label smoothing and the confidence penalty turn a loss up again where the model is too sure. The z-loss looks at the size of the logits alone.",
        panels: [
          ofProbability(
            "Added to cross entropy",
            modified(["labelSmoothing(0.1)", "confidencePenalty(0.3)", "zLoss(0.02)"]),
            nats(5, -0.5),
          ),
        ],
      },
      {
        name: "views",
        heading: "Views of the logits, and sums",
        text: "What reads the logits in another way: cooler, capped, or moved by how frequent each class is. And a loss scaled, or added to another.",
        panels: [
          ofProbability(
            "Views",
            modified(["temperature(2)", "softcap(2)", "logitAdjustment(frequencies)", "balancedSoftmax(frequencies)"]),
            nats(8),
          ),
          ofProbability("Sums", modified(["scale(0.5)", "add(pipe(generalisedCrossEntropy(), scale(2)))"]), nats(6)),
        ],
      },
      {
        name: "contrastive",
        heading: "Contrastive loss",
        text: "A low temperature asks for a lead in similarity that is small but certain.",
        panels: [
          ofSimilarity([
            "infoNCE({ temperature: 1 })",
            "infoNCE({ temperature: 0.3 })",
            "infoNCE({ temperature: 0.07 })",
          ]),
        ],
      },
      {
        name: "rows",
        heading: "Weights of rows",
        text: "Laws weigh places in a sequence as they weigh frequencies; a prompt, here the first eight places, has a weight of its own.",
        panels: [
          ofPosition([
            "pipe(crossEntropy, positionWeights(powerLaw(0.5)))",
            "pipe(crossEntropy, positionWeights(exponentialDecay(0.1)))",
            "pipe(crossEntropy, promptWeight(0.1))",
          ]),
        ],
      },
    ],
  };
}
