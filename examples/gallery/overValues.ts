/** Losses over values as curves of the error, the logit, the rate, an angle, a margin. */
import { type AnyLoss, evaluate, type PlainValuesBatch, perToken, pipe } from "lossmith";
import { meaningOf } from "./code.ts";
import { type Curve, type Panel, range, type Section } from "./picture.ts";

/** The values of each line over a batch with one row for each x. */
function panel(
  title: string,
  x: Panel["x"] & { readonly values: readonly number[] },
  y: Panel["y"],
  lines: readonly string[],
  batch: (x: number) => { readonly prediction: readonly number[]; readonly target: readonly number[] },
  inputs: PlainValuesBatch["inputs"] = {},
): Panel {
  const rows = x.values.map(batch);
  const given: PlainValuesBatch = {
    predictions: rows.map(({ prediction }) => prediction),
    targets: rows.map(({ target }) => target),
    inputs,
  };
  const curves = lines.map((code): Curve => {
    const loss = pipe(meaningOf<AnyLoss>(code) as never, perToken) as never;
    const values = evaluate(loss, given as never) as unknown as number[];
    return { code, points: x.values.map((at, i) => [at, values[i]]) };
  });
  return { title, x: { title: x.title }, y, curves };
}

const loss = (highest: number, lowest = 0): Panel["y"] => ({ title: "loss of the row", domain: [lowest, highest] });
const errors = { title: "error, prediction − target", values: range(-3, 3) };
const logits = { title: "logit, with a target of 1", values: range(-4, 4) };
const shares = { title: "prediction", values: range(0.002, 0.998) };
const margins = { title: "log π(chosen) − log π(rejected), in nats", values: range(-8, 8) };
const rewards = { title: "log π / ref(response), in nats", values: range(-20, 20) };

/** The section. */
export function overValues(): Section {
  return {
    heading: "Losses over values",
    text: "A row has the columns that the titles say; a loss is that of one row.",
    pictures: [
      {
        name: "errors",
        heading: "Of the error",
        text:
          "Squares let the largest errors decide, straight lines do not. Huber loss and log cosh are square near 0 and straight beyond; " +
          "a quantile loss has two slopes.",
        panels: [
          panel(
            "Regression",
            errors,
            loss(4),
            ["meanSquaredError", "meanAbsoluteError", "huber({ delta: 1 })", "logCosh", "quantile(0.9)"],
            (x) => ({
              prediction: [x],
              target: [0],
            }),
          ),
        ],
      },
      {
        name: "binary",
        heading: "Of the logit",
        text: "Binary decisions, each column one of its own; hinge losses ask for a margin, and categorical hinge for a lead over the other class.",
        panels: [
          panel(
            "Decisions",
            logits,
            loss(5),
            [
              'binaryCrossEntropy({ from: "logits" })',
              'binaryFocal({ from: "logits", gamma: 2 })',
              "hinge",
              "squaredHinge",
            ],
            (x) => ({ prediction: [x], target: [1] }),
          ),
          panel("Beside a class of score 0", logits, loss(5), ["categoricalHinge"], (x) => ({
            prediction: [x, 0],
            target: [1, 0],
          })),
        ],
      },
      {
        name: "rates",
        heading: "Of a rate, a distribution, an overlap",
        text:
          "Poisson loss is lowest at the count, a divergence at the target's distribution. Of two sets, Dice and Jaccard measure the overlap; " +
          "Tversky tells what was missed from what was too much.",
        panels: [
          panel("A count of 3", { title: "predicted rate", values: range(0.05, 8) }, loss(6, -1), ["poisson"], (x) => ({
            prediction: [x],
            target: [3],
          })),
          panel("A distribution of 0.7 and 0.3", shares, loss(3), ["klDivergenceOfProbabilities"], (x) => ({
            prediction: [x, 1 - x],
            target: [0.7, 0.3],
          })),
          panel(
            "Four columns, two of them true: x for these, 0.3 for the others",
            shares,
            loss(1),
            ["dice()", "jaccard()", "tversky({ alpha: 0.3, beta: 0.7 })"],
            (x) => ({ prediction: [x, x, 0.3, 0.3], target: [1, 1, 0, 0] }),
          ),
        ],
      },
      {
        name: "geometry",
        heading: "Of angles and distances",
        text: "A cosine looks at directions alone. A triplet loss is 0 once the negative is farther than the positive by the margin; with `swap` its distance from the positive counts, too.",
        panels: [
          panel(
            "Two vectors",
            { title: "angle (degrees)", values: range(0, 180) },
            loss(1, -1),
            ["cosineSimilarity"],
            (x) => ({
              prediction: [Math.cos((x * Math.PI) / 180), Math.sin((x * Math.PI) / 180)],
              target: [1, 0],
            }),
          ),
          panel(
            "Anchor at the origin, positive at (1, 0), negative at (x, x)",
            { title: "x", values: range(-2.5, 2.5) },
            loss(2.2),
            [
              "tripletMargin()",
              "tripletMargin({ p: 1 })",
              "tripletMargin({ p: Infinity })",
              "tripletMargin({ swap: true })",
            ],
            (x) => ({ prediction: [0, 0, 0, 0, 1, 0], target: [1, 0, x, x, x, x] }),
          ),
        ],
      },
      {
        name: "preferences",
        heading: "Of preferences",
        text:
          "Losses on log-probabilities of responses. DPO and SimPO saturate once a pair is told apart, IPO aims at a distance, and label smoothing " +
          "calls a pair back that goes too far. KTO rates single responses, about a reference point, here 0.",
        panels: [
          panel(
            "Pairs, the reference model knowing no difference",
            margins,
            loss(10),
            [
              "dpo({ beta: 1 })",
              "dpo({ beta: 1, labelSmoothing: 0.1 })",
              "ipo({ beta: 0.25 })",
              "simPO({ beta: 2, gamma: 1 })",
            ],
            (x) => ({ prediction: [-10 + x / 2, -10 - x / 2], target: [0, 0] }),
          ),
          panel(
            "Pairs whose rejected response has a mean log-probability of −1",
            { title: "mean log π(chosen), in nats", values: range(-3, -0.02) },
            loss(4),
            ["orpo({ lambda: 0.1 })", "orpo({ lambda: 1 })", "orpo({ lambda: 1, likelihood: 0 })"],
            (x) => ({ prediction: [x, -1], target: [0, 0] }),
          ),
          panel(
            "Single responses, desirable",
            rewards,
            loss(1),
            ["kto({ beta: 0.1 })", "kto({ beta: 0.5 })"],
            rated,
            desirable(1),
          ),
          panel(
            "Single responses, undesirable",
            rewards,
            loss(1),
            ["kto({ beta: 0.1 })", "kto({ beta: 0.5 })"],
            rated,
            desirable(0),
          ),
        ],
      },
    ],
  };
}

const rated = (x: number) => ({ prediction: [-30 + x, -50], target: [-30, -50] });
const desirable = (value: number) => ({ desirable: rewards.values.map(() => value) });
