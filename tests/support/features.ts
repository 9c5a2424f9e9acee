/** A step of each feature of a compiled loss, which leaves no tensor behind. */
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  add,
  type CompiledLoss,
  categoricalHinge,
  classWeights,
  compile,
  compileLinear,
  confidencePenalty,
  cosineSimilarity,
  crossEntropy,
  decayedCounts,
  dft,
  distillation,
  dpo,
  focal,
  freqWeights,
  fromCounts,
  fromProbabilities,
  generalisedCrossEntropy,
  huber,
  ignoreIndex,
  klDivergence,
  kto,
  type Loss,
  LossError,
  labelSmoothing,
  language,
  ldam,
  linear,
  logitAdjustment,
  mean,
  mile,
  mixCE,
  named,
  orpo,
  parameter,
  perToken,
  pipe,
  positionWeights,
  powerLaw,
  preferencePairs,
  ramp,
  scale,
  scaleGrad,
  sequenceLogProbabilities,
  sequenceUnlikelihood,
  sum,
  superLoss,
  symmetricCrossEntropy,
  temperature,
  tokenSelection,
  tripletMargin,
  triplets,
  uncertainty,
  unlikelihood,
  unpairedPreferences,
  watchTerms,
  zLoss,
} from "lossmith";

const { add: plus, batchMean, divide, input, lossOf, multiply, nll, overSequence } = language;

export interface Feature {
  readonly step: (t: number) => void;
  /** Frees what the feature owns. */
  readonly free: () => void;
}

const labels = new Int32Array([0, 2]);
const counts = fromCounts([5, 3, 1]);

function logits(): tf.Tensor2D {
  return tf.tensor2d([2, 1, 0.1, 0.5, 2.5, 0.3], [2, 3]);
}

/** A gradient for the logits at each step. */
function trained(data: AnyLoss, batch: (t: number) => object = () => ({ labels })): Feature {
  const loss = compile(data);
  const z = logits();
  return {
    step: (t) => {
      const gradient = tf.grad((x: tf.Tensor) => loss({ labels, ...batch(t), logits: x }));
      gradient(z).dispose();
    },
    free: () => {
      loss.dispose();
      z.dispose();
    },
  };
}

export const features: Readonly<Record<string, () => Feature>> = {
  "soft labels and sample weights with gradients of their own": () => {
    const loss = compile(pipe(crossEntropy, classWeights([1, 2, 3])));
    const z = logits();
    const q = tf.tensor2d([0.2, 0.5, 0.3, 1, 0, 0.5], [2, 3]);
    const weights = tf.tensor1d([1, 0.5]);
    const forLabels = tf.grads((x: tf.Tensor, y: tf.Tensor) => loss({ logits: x, labels: y, sampleWeight: weights }));
    const forWeights = tf.grads((x: tf.Tensor, w: tf.Tensor) => loss({ logits: x, labels: q, sampleWeight: w }));
    return {
      step: (t) => tf.dispose(t % 2 === 0 ? forLabels([z, q]) : forWeights([z, weights])),
      free: () => {
        loss.dispose();
        tf.dispose([z, q, weights]);
      },
    };
  },

  "a trained temperature and Kendall's log variances, by an optimizer": () => {
    const task = (name: string, init: number): Loss<"logits", "already reduced"> =>
      pipe(crossEntropy, temperature(parameter("temperature", 1.5)), uncertainty(name, { init }));
    const loss = compile(pipe(task("first", 0), add(task("second", 1))));
    const z = logits();
    const optimizer = tf.train.sgd(1e-6);
    return {
      step: () => {
        optimizer.minimize(() => loss({ logits: z, labels }));
      },
      free: () => {
        optimizer.dispose();
        loss.dispose();
        tf.dispose([z, ...loss.variables.values()]);
      },
    };
  },

  "a field that is refreshed at each step": () =>
    trained(
      pipe(
        crossEntropy,
        freqWeights(counts),
        powerLaw(linear({ init: 0, end: 1, steps: 500 })),
        ramp(linear({ init: 0, end: 1, steps: 500 })),
      ),
      (t) => ({ step: t % 500 }),
    ),

  "counts that are updated at each step": () => {
    const lately = decayedCounts(counts, { decay: 0.9 });
    const own = trained(
      pipe(crossEntropy, freqWeights(lately), powerLaw(0.5), labelSmoothing(0.1), positionWeights(powerLaw(0.5))),
    );
    return {
      step: (t) => {
        lately.update([t % 3, 0]);
        own.step(t);
      },
      free: own.free,
    };
  },

  "smoothing, focal, z-loss and confidence penalty": () =>
    trained(pipe(crossEntropy, labelSmoothing(0.1), focal({ gamma: 2 }), zLoss(0.1), confidencePenalty(0.1))),

  "focal inside smoothing, with ordinary ops over the classes": () =>
    trained(pipe(crossEntropy, focal({ gamma: 2 }), labelSmoothing(0.1), sum)),

  "parts, combined with those of another shard": () => {
    const loss = compile(pipe(crossEntropy, classWeights([1, 2, 3]), add(pipe(crossEntropy, mean))));
    const z = logits();
    const other = loss.parts({ logits: z, labels });
    return {
      step: () => {
        const gradient = tf.grad((x: tf.Tensor) => {
          const { numerators, denominators } = loss.parts({ logits: x, labels });
          return loss.combine({
            numerators: tf.add(numerators, other.numerators),
            denominators: tf.add(denominators, other.denominators),
          });
        });
        gradient(z).dispose();
      },
      free: () => {
        loss.dispose();
        tf.dispose([z, other.numerators, other.denominators]);
      },
    };
  },

  "the values of the terms, watched by an optimizer": () => {
    const data = pipe(crossEntropy, named("plain"), zLoss(0.1), add(pipe(crossEntropy, mile(), mean)));
    const loss = compile(data);
    const watched = watchTerms(loss);
    const z = tf.tidy(() => tf.variable(logits()));
    const optimizer = tf.train.sgd(1e-6);
    return {
      step: () => {
        optimizer.minimize(() => watched({ logits: z, labels }));
        tf.dispose(tf.tidy(() => loss.withTerms({ logits: z, labels })));
      },
      free: () => {
        watched.dispose();
        loss.dispose();
        optimizer.dispose();
        z.dispose();
      },
    };
  },

  "denominators summed over micro-batches": () => {
    const loss = compile(pipe(crossEntropy, classWeights([1, 2, 3])));
    const z = logits();
    return {
      step: () => {
        const [a, b] = [loss.denominators({ labels: [0, 2] }), loss.denominators({ labels: [1, 1] })];
        const denominators: tf.Tensor1D = tf.add(a, b);
        tf.grad((x: tf.Tensor) => loss({ logits: x, labels, denominators }))(z).dispose();
        tf.dispose([a, b, denominators]);
      },
      free: () => {
        loss.dispose();
        z.dispose();
      },
    };
  },

  "one number a token": () => trained(pipe(crossEntropy, classWeights([1, 2, 3]), perToken)),

  "two views of the logits": () => trained(pipe(crossEntropy, logitAdjustment(counts), zLoss(0.1))),

  "a teacher's logits": () => {
    const teacher = tf.tensor2d([1, 2, 0, 0, 1, 3], [2, 3]);
    const own = trained(pipe(crossEntropy, add(distillation({ temperature: 2 }))), () => ({ teacher }));
    return {
      step: own.step,
      free: () => {
        own.free();
        teacher.dispose();
      },
    };
  },

  "numbers that rows share, and inputs": () =>
    trained(lossOf(multiply(divide(nll, batchMean(nll)), plus(input("x"), overSequence(nll)))), () => ({
      inputs: { x: [1, 2] },
    })),

  "robust losses, by the likelihood alone": () =>
    trained(
      pipe(
        generalisedCrossEntropy(),
        add(symmetricCrossEntropy({ alpha: 0.1, beta: 1 })),
        add(ldam({ counts })),
        mixCE(0.5),
        dft,
      ),
    ),

  "rows that are chosen by what they exceed a reference by": () =>
    trained(
      pipe(crossEntropy, labelSmoothing(0.1), tokenSelection(linear({ init: 1, end: 0.5, steps: 500 }))),
      (t) => ({ inputs: { reference: [1, 2] }, step: t % 500, mask: [true, t % 3 > 0] }),
    ),

  "weights and confidences of the batch": () =>
    trained(pipe(crossEntropy, mile(), superLoss({ tau: "batchMean" }), superLoss())),

  "a divergence, with a gradient for the labels": () => {
    const loss = compile(pipe(klDivergence, superLoss({ lambda: 2 })));
    const z = logits();
    const q = tf.tensor2d([0.2, 0.5, 0.3, 1, 0, 0], [2, 3]);
    const both = tf.grads((x: tf.Tensor, y: tf.Tensor) => loss({ logits: x, labels: y }));
    return {
      step: () => tf.dispose(both([z, q])),
      free: () => {
        loss.dispose();
        tf.dispose([z, q]);
      },
    };
  },

  "sums over candidates": () =>
    trained(
      pipe(
        crossEntropy,
        unlikelihood(),
        unlikelihood({ candidates: "given", weight: linear({ init: 0, end: 1, steps: 500 }) }),
        add(scaleGrad({ gamma: 0.5 })),
        add(sequenceUnlikelihood({ n: 1 })),
      ),
      (t) => ({ candidates: [[t % 3], [1]], step: t % 500, mask: [true, t % 4 > 0] }),
    ),

  "probabilities in place of logits": () => {
    const loss = compile(pipe(crossEntropy, labelSmoothing(0.1), fromProbabilities));
    const p = tf.tidy(() => tf.softmax(logits()));
    return {
      step: () => {
        tf.grad((x: tf.Tensor) => loss({ logits: x, labels }))(p).dispose();
      },
      free: () => {
        loss.dispose();
        p.dispose();
      },
    };
  },

  "a mask and ignored labels": () => {
    const masks = [
      [true, false],
      [true, true],
      [false, false],
    ];
    return trained(pipe(crossEntropy, ignoreIndex(-1)), (t) => ({
      mask: masks[t % 3],
      labels: t % 2 === 0 ? labels : [-1, 1],
    }));
  },

  "losses over values, with gradients of predictions, targets and a parameter": () => {
    const loss = compile(
      pipe(
        huber({ delta: linear({ init: 1, end: 2, steps: 500 }) }),
        add(pipe(cosineSimilarity, scale(parameter("share", 0.1)))),
        add(categoricalHinge),
      ),
    );
    const p = tf.tensor2d([2, 1, 0.1, 0.5, 2.5, 0.3], [2, 3]);
    const t = tf.tensor2d([1, 0, 0, 0, 1, 0], [2, 3]);
    const on = (x: tf.Tensor, y: tf.Tensor, step: number): tf.Scalar =>
      loss({ predictions: x, targets: y, step, mask: [true, step % 2 === 0] }) as tf.Scalar;
    return {
      step: (step) => {
        tf.dispose(tf.grads((x: tf.Tensor, y: tf.Tensor) => on(x, y, step % 500))([p, t]));
        const { value, grads } = tf.variableGrads(() => on(p, t, 0), [...loss.variables.values()]);
        tf.dispose([value, grads]);
        tf.dispose(loss.denominators({ targets: t, step: 0 }));
      },
      free: () => {
        loss.dispose();
        tf.dispose([p, t, ...loss.variables.values()]);
      },
    };
  },

  "the linear form, in one sweep and in two": () => {
    const smoothed = compileLinear(pipe(crossEntropy, freqWeights(counts), powerLaw(0.5), labelSmoothing(0.1)), {
      tileRows: 1,
    });
    const coupled = compileLinear(lossOf(divide(nll, batchMean(nll))), { tileRows: 1 });
    const hidden = tf.randomNormal([labels.length, 4]);
    const kernel = tf.randomNormal([4, 3]);
    const bias = tf.zeros([3]);
    return {
      step: (t) => {
        const loss = t % 2 === 0 ? smoothed : coupled;
        const given = t % 4 < 2 ? labels : { ids: labels, probabilities: Float32Array.from(labels, () => 0.5) };
        const of = (...[h, k, b]: tf.Tensor[]): tf.Tensor => loss({ hidden: h, kernel: k, bias: b, labels: given });
        const { value, grads } = tf.valueAndGrads(of)([hidden, kernel, bias]);
        tf.dispose([value, ...grads, smoothed.denominators({ labels })]);
      },
      free: () => {
        smoothed.dispose();
        coupled.dispose();
        tf.dispose([hidden, kernel, bias]);
      },
    };
  },

  "the linear form by tiles of columns": () => {
    const options = { tileColumns: 2 };
    const focused = compileLinear(
      pipe(crossEntropy, temperature(parameter("t", 2)), focal({ gamma: 2 }), labelSmoothing(0.1)),
      options,
    );
    const taught = compileLinear(pipe(distillation(), add(pipe(crossEntropy, unlikelihood()))), options);
    const hidden = tf.randomNormal([labels.length, 4]);
    const kernel = tf.randomNormal([4, 3]);
    const bias = tf.zeros([3]);
    const variables = [...focused.variables.values()];
    return {
      step: (t) => {
        const batch = { bias, labels, teacher: { hidden, kernel } };
        if (t % 2 === 0) {
          const ofVariables = tf.variableGrads(() => focused({ ...batch, hidden, kernel }) as tf.Scalar, variables);
          tf.dispose([ofVariables.value, ofVariables.grads]);
          return;
        }
        const of = (...[h, k]: tf.Tensor[]): tf.Tensor => taught({ ...batch, hidden: h, kernel: k });
        const { value, grads } = tf.valueAndGrads(of)([hidden, kernel]);
        tf.dispose([value, ...grads]);
      },
      free: () => {
        focused.dispose();
        taught.dispose();
        tf.dispose([hidden, kernel, bias, ...variables]);
      },
    };
  },

  "triplets of embeddings, with gradients of all three": () => {
    const loss = compile(tripletMargin({ swap: true, p: 3 }));
    const embeddings = [0.1, 0.7, -0.4].map((x) => tf.tensor2d([x, 1, 0.2, 0.5, -x, 0.3], [2, 3]));
    const all = tf.grads((a: tf.Tensor, p: tf.Tensor, n: tf.Tensor) => loss(triplets(a, p, n)));
    return {
      step: () => tf.dispose(all(embeddings)),
      free: () => {
        loss.dispose();
        tf.dispose(embeddings);
      },
    };
  },

  "preferences between sequences, from logits": () => {
    const logProbabilities = sequenceLogProbabilities(pipe(crossEntropy, ignoreIndex(-1)), { per: "mean" });
    const loss = compile(pipe(dpo({ labelSmoothing: 0.1 }), add(orpo())));
    const rated = compile(kto());
    const z = tf.tensor3d([2, 1, 0.1, 0.5, 2.5, 0.3, 1, 0, 2, 0.4, 0.2, 1], [2, 2, 3]);
    const score = (logits: tf.Tensor, y: number[][]): tf.Tensor => logProbabilities({ logits, labels: y });
    const reference = { chosen: tf.tensor1d([-1, -2]), rejected: tf.tensor1d([-2, -1]) };
    const labelsOf = [
      [
        [0, -1],
        [1, 2],
      ],
      [
        [1, 1],
        [2, -1],
      ],
    ];
    const gradientOf = (last: (first: tf.Tensor, second: tf.Tensor) => tf.Tensor): ((x: tf.Tensor) => tf.Tensor) =>
      tf.grad((x: tf.Tensor) => last(score(x, labelsOf[0]), score(x, labelsOf[1])));
    const ofPairs = gradientOf((chosen, rejected) => loss(preferencePairs({ chosen, rejected, reference })));
    const single = { responses: reference.chosen, mismatched: reference.rejected };
    const ofRated = gradientOf((responses, mismatched) =>
      rated(unpairedPreferences({ responses, mismatched, reference: single, desirable: [true, false] })),
    );
    return {
      step: (t) => (t % 2 === 0 ? ofPairs(z) : ofRated(z)).dispose(),
      free: () => {
        for (const compiled of [logProbabilities, loss, rated]) compiled.dispose();
        tf.dispose([z, reference]);
      },
    };
  },

  "evaluation without a tape": () => {
    const loss = compile(pipe(crossEntropy, freqWeights(counts), powerLaw(0.5), labelSmoothing(0.1)));
    const z = logits();
    return {
      step: () => {
        loss({ logits: z, labels }).dispose();
      },
      free: () => {
        loss.dispose();
        z.dispose();
      },
    };
  },

  "calls that throw": () => {
    const data = pipe(
      crossEntropy,
      freqWeights(counts),
      ramp(linear({ init: 0, end: 2, steps: 10 })),
      labelSmoothing(0.1),
    );
    const loss: CompiledLoss = compile(data);
    const z = logits();
    const bad: readonly object[] = [
      { labels: [0, 7], step: 1 },
      { labels, step: 9 },
      { labels },
      { labels, step: 1, denominators: [1, 2] },
      { labels, step: 1, mask: [true] },
      { labels, step: 1, sampleWeight: [1, -1] },
      // Where the host has to wait for the labels of a tensor, a wrong one makes its row NaN.
      ...(["cpu", "wasm"].includes(tf.getBackend()) ? [{ labels: tf.tensor1d([0, 3], "int32"), step: 1 }] : []),
    ];
    return {
      step: (t) => {
        const batch = bad[t % bad.length] as { labels: Int32Array };
        let thrown: unknown = null;
        try {
          tf.grad((x: tf.Tensor) => loss({ ...batch, logits: x }))(z);
        } catch (error) {
          thrown = error;
        }
        if (!(thrown instanceof LossError)) throw new Error(`batch ${t % bad.length} was taken: ${thrown}`);
      },
      free: () => {
        loss.dispose();
        tf.dispose([z, ...bad.flatMap((batch) => Object.values(batch)).filter((x) => x instanceof tf.Tensor)]);
      },
    };
  },
};
