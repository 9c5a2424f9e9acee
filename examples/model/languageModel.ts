/**
 * A causal language model in plain tensorflow.js: embeddings, transformer blocks with a token shift, and an output
 * layer that starts from the unigram distribution. Data is [B, T] token indices in, [B · T, V] logits out.
 */
import * as tf from "@tensorflow/tfjs";

/** The sizes of a model. */
export interface ModelSizes {
  /** V: the number of classes. Inputs have one index more, V, for unknown tokens. */
  readonly vocabulary: number;
  /** D: the length of an embedding. */
  readonly width: number;
  readonly heads: number;
  readonly blocks: number;
  /** T: the number of tokens of a window. */
  readonly window: number;
}

/** The weights of one transformer block. */
interface Block {
  /** [D, D]: what a token takes from the token before it. */
  readonly shift: tf.Variable<tf.Rank.R2>;
  /** [D, 3 D]: queries, keys and values. */
  readonly attention: tf.Variable<tf.Rank.R2>;
  /** [D, D]. */
  readonly attentionOut: tf.Variable<tf.Rank.R2>;
  /** [D, 4 D]. */
  readonly expand: tf.Variable<tf.Rank.R2>;
  /** [4 D, D]. */
  readonly contract: tf.Variable<tf.Rank.R2>;
}

/** The weights of a model. */
interface Weights {
  /** [V + 1, D]: one row for each class, and one for unknown tokens. */
  readonly embeddings: tf.Variable<tf.Rank.R2>;
  /** [T, D]. */
  readonly positions: tf.Variable<tf.Rank.R2>;
  readonly blocks: readonly Block[];
  /** [D, V]. */
  readonly output: tf.Variable<tf.Rank.R2>;
  /** [V]. */
  readonly outputBias: tf.Variable<tf.Rank.R1>;
}

/** A model: sizes and weights. The weights live until `disposeModel`. */
export interface LanguageModel {
  readonly sizes: ModelSizes;
  readonly weights: Weights;
}

/** Embeddings are kept small and used large: under Adam this lets the rows of rare tokens learn as fast as they must. */
const embeddingScale = 25;
const embeddingDeviation = 0.02;

/** A new model with random weights from the seed, which predicts the unigram distribution at first. */
export function createModel(sizes: ModelSizes, unigramLogits: Float32Array, seed: number): LanguageModel {
  const { vocabulary, width, window } = sizes;
  let drawn = 0;
  const random = (rows: number, columns: number, deviation: number): tf.Variable<tf.Rank.R2> =>
    tf.tidy(() => tf.variable(tf.randomNormal([rows, columns], 0, deviation, "float32", seed * 1000 + drawn++)));
  const unit = 1 / Math.sqrt(width);
  return {
    sizes,
    weights: {
      embeddings: random(vocabulary + 1, width, embeddingDeviation),
      positions: random(window, width, embeddingDeviation),
      blocks: Array.from({ length: sizes.blocks }, () => ({
        shift: random(width, width, unit / 2),
        attention: random(width, 3 * width, unit),
        attentionOut: random(width, width, unit / 2),
        expand: random(width, 4 * width, unit),
        contract: random(4 * width, width, unit / 4),
      })),
      output: random(width, vocabulary, embeddingDeviation),
      outputBias: tf.tidy(() => tf.variable(tf.tensor1d(unigramLogits))),
    },
  };
}

/** The variables of a model, for an optimizer. */
export function variablesOf({ weights }: LanguageModel): tf.Variable[] {
  const { embeddings, positions, blocks, output, outputBias } = weights;
  return [
    embeddings,
    positions,
    ...blocks.flatMap((block) => Object.values<tf.Variable>({ ...block })),
    output,
    outputBias,
  ];
}

/** A second model with the same weights, which can be trained on its own. */
export function copyModel({ sizes, weights }: LanguageModel): LanguageModel {
  const copy = <R extends tf.Rank>(variable: tf.Variable<R>): tf.Variable<R> =>
    tf.tidy(() => tf.variable<R>(tf.mul(variable, 1)));
  return {
    sizes,
    weights: {
      embeddings: copy(weights.embeddings),
      positions: copy(weights.positions),
      blocks: weights.blocks.map(({ shift, attention, attentionOut, expand, contract }) => ({
        shift: copy(shift),
        attention: copy(attention),
        attentionOut: copy(attentionOut),
        expand: copy(expand),
        contract: copy(contract),
      })),
      output: copy(weights.output),
      outputBias: copy(weights.outputBias),
    },
  };
}

/** Frees the weights. */
export function disposeModel(model: LanguageModel): void {
  for (const variable of variablesOf(model)) variable.dispose();
}

/**
 * What the model makes of B windows, [B · T, D]: row b · T + t has seen the tokens 0 … t of window b, and no later one.
 *
 * @param inputs B · T indices from 0 to V, window after window.
 */
export function hiddenStates(model: LanguageModel, inputs: Int32Array): tf.Tensor2D {
  const { sizes, weights } = model;
  const { width, window } = sizes;
  const batch = inputs.length / window;
  return tf.tidy(() => {
    const tokens = tf.gather(weights.embeddings, tf.tensor1d(inputs, "int32")).reshape([batch, window, width]);
    let hidden = tf.mul(tf.add(tokens, weights.positions), embeddingScale) as tf.Tensor3D;
    for (const block of weights.blocks) {
      hidden = tf.add(hidden, project(previousTokens(normalise(hidden)), block.shift));
      hidden = tf.add(hidden, attend(normalise(hidden), block, sizes.heads));
      hidden = tf.add(hidden, project(tf.relu(project(normalise(hidden), block.expand)), block.contract));
    }
    return normalise(hidden).reshape([batch * window, width]);
  });
}

/** Logits [N, V] of hidden states [N, D]. */
export function logitsOf(model: LanguageModel, hidden: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => tf.add(tf.matMul(hidden, model.weights.output), model.weights.outputBias));
}

/** x / √(mean x² + ε) over the last dimension. */
function normalise(x: tf.Tensor3D): tf.Tensor3D {
  return tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-6)));
}

/** A dense layer without bias, as one product of matrices. */
function project(x: tf.Tensor3D, kernel: tf.Tensor2D): tf.Tensor3D {
  const [batch, window, width] = x.shape;
  return tf.matMul(x.reshape<tf.Tensor2D>([batch * window, width]), kernel).reshape([batch, window, kernel.shape[1]]);
}

/** Every token's state moved to the token after it; zeros at the first. */
function previousTokens(x: tf.Tensor3D): tf.Tensor3D {
  const [batch, window, width] = x.shape;
  return tf.concat([tf.zeros([batch, 1, width]), tf.slice(x, [0, 0, 0], [batch, window - 1, width])], 1) as tf.Tensor3D;
}

/** Causal self-attention: softmax(q kᵀ / √d + mask) v in each head. */
function attend(x: tf.Tensor3D, block: Block, heads: number): tf.Tensor3D {
  const [batch, window, width] = x.shape;
  const size = width / heads;
  const split = project(x, block.attention).reshape([batch, window, 3, heads, size]).transpose([2, 0, 3, 1, 4]);
  const [queries, keys, values] = tf.unstack(split);
  const scores = tf.mul(tf.matMul(queries, keys, false, true), 1 / Math.sqrt(size));
  const mixed = tf.matMul(tf.softmax(tf.add(scores, causalMask(window))), values);
  return project(mixed.transpose([0, 2, 1, 3]).reshape([batch, window, width]), block.attentionOut);
}

/** [T, T]: 0 where column ≤ row, −10⁹ above the diagonal. */
function causalMask(window: number): tf.Tensor2D {
  const mask = new Float32Array(window * window);
  for (let row = 0; row < window; row++) mask.fill(-1e9, row * window + row + 1, (row + 1) * window);
  return tf.tensor2d(mask, [window, window]);
}
