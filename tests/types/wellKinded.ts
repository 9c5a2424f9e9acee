/** Each statement must compile, and each value must have the type that it is given. */
import type * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  add,
  balanced,
  classWeights,
  clip,
  compile,
  compose,
  cosineSimilarity,
  crossEntropy,
  decayedCounts,
  evaluate,
  evaluateGradient,
  type Frequencies,
  face,
  fieldFromJSON,
  floor,
  flow,
  freqWeights,
  fromCounts,
  goodTuring,
  idf,
  ignoreIndex,
  jelinekMercer,
  type Kind,
  type Loss,
  labelSmoothing,
  language,
  lawFromJSON,
  linear,
  logarithmic,
  lossFromJSON,
  mean,
  meanSquaredError,
  movingAverage,
  type Nested,
  named,
  perToken,
  pipe,
  positionWeights,
  powerLaw,
  promptWeight,
  scale,
  scaleGrad,
  scheduleFromJSON,
  sequenceUnlikelihood,
  sum,
  temper,
  tokenSelection,
  uncertainty,
  unlikelihood,
  watchTerms,
} from "lossmith";

const field = freqWeights(fromCounts([3, 2, 1]));
const batch = { logits: [[1, 2, 3]], labels: [0] };

type Of<K extends Kind> = Loss<"logits", K>;

export const plain: Of<"without a weight field"> = pipe(crossEntropy, labelSmoothing(0.1), scale(2), ignoreIndex(-1));
export const weighted: Of<"with a weight field"> = pipe(plain, field, powerLaw(0.5), clip(0, 1), labelSmoothing(0.1));
export const twice: Of<"with a weight field"> = pipe(
  weighted,
  classWeights([1, 2, 3]),
  powerLaw(linear({ init: 0, end: 1, steps: 9 })),
);
export const reduced: Of<"already reduced"> = pipe(weighted, mean, scale(0.5), ignoreIndex(-1));
export const both: Of<"already reduced"> = pipe(crossEntropy, mean, add(pipe(crossEntropy, sum)));
export const open: Of<"with a weight field"> = pipe(weighted, add(pipe(crossEntropy, sum)));
export const rows: Of<"already reduced per token"> = pipe(weighted, perToken);

export const flowed: Of<"with a weight field"> = flow(field, powerLaw(0.5))(crossEntropy);
export const composed: Of<"with a weight field"> = compose(powerLaw(0.5), field)(crossEntropy);
export const throughout: Of<"already reduced"> = compose(
  scale(2),
  mean,
  powerLaw(0.5),
  labelSmoothing(0.1),
  field,
)(crossEntropy);
export const nested: Of<"already reduced"> = compose(
  compose(mean, powerLaw(0.5)),
  compose(clip(0, 1), field),
)(crossEntropy);
export const nothing: Of<"without a weight field"> = compose()(crossEntropy);

export const weighedRows: Of<"with a weight field"> = pipe(
  crossEntropy,
  promptWeight(0.1),
  field,
  balanced,
  temper(linear({ init: 0, end: 1, steps: 9 })),
  positionWeights(logarithmic),
  idf({ smooth: false }),
);
export const penalised: Of<"with a weight field"> = pipe(
  scaleGrad({ gamma: 0.5 }),
  unlikelihood({ candidates: "given", weight: linear({ init: 0, end: 1, steps: 9 }) }),
  field,
  add(sequenceUnlikelihood({ n: 3 })),
);
export const weighedRowsAlone: Of<"without a weight field"> = pipe(crossEntropy, positionWeights(powerLaw(0.5)));
export const changing: Of<"with a weight field"> = compose(
  face,
  freqWeights(decayedCounts(fromCounts([3, 2, 1]), { decay: 0.9 })),
  classWeights(movingAverage([1, 1, 1], { decay: 0.9 })),
)(crossEntropy);
export const smoothed: Frequencies = pipe(fromCounts([3, 2, 1, 0]), goodTuring(), jelinekMercer(0.9), floor(0.5));

export const learned: Of<"already reduced"> = pipe(
  weighted,
  uncertainty("words"),
  add(pipe(crossEntropy, mean, uncertainty("plain"))),
);
export const learnedInOrder: Of<"already reduced"> = compose(uncertainty("words"), powerLaw(0.5), field)(crossEntropy);
export const chosen: Of<"with a weight field"> = pipe(weighted, tokenSelection(0.6), powerLaw(0.5), named("words"));
export const chosenValues: Loss<"values", "without a weight field"> = tokenSelection(
  linear({ init: 1, end: 0.6, steps: 9 }),
)(meanSquaredError);
export const terms = (
  logits: tf.Tensor,
): { readonly value: tf.Scalar; readonly terms: Readonly<Record<string, tf.Scalar>> } =>
  compile(learned).withTerms({ logits, labels: [0] });
export const container = (logits: tf.Tensor): tf.TensorContainer => compile(learned).withTerms({ logits, labels: [0] });
export const watched = (predictions: tf.Tensor, targets: tf.Tensor): tf.Scalar =>
  watchTerms(compile(chosenValues))({ predictions, targets, step: 0 });

export const value: number = evaluate(reduced, batch);
export const values: unknown = evaluate(rows, batch);

type OfValues<K extends Kind> = Loss<"values", K>;
const measured = { predictions: [[1, 2]], targets: [[0, 1]] };

export const added: OfValues<"without a weight field"> = pipe(
  meanSquaredError,
  add(pipe(cosineSimilarity, scale(0.1))),
  language.modulate("by position", (x) => language.multiply(language.position, x)),
);
export const reducedValues: OfValues<"already reduced"> = compose(scale(2), mean)(meanSquaredError);
export const error: number = evaluate(reducedValues, measured);
export const errors: Nested<number> = evaluate(pipe(meanSquaredError, perToken), measured);
export const slopes: Nested<number> = evaluateGradient(meanSquaredError, measured);
export const compiled = (predictions: tf.Tensor, targets: tf.Tensor): tf.Scalar =>
  compile(reducedValues)({ predictions, targets, mask: [true] });
export const denominators = (targets: tf.Tensor): tf.Tensor1D => compile(reducedValues).denominators({ targets });

export const read: Of<"with a weight field"> = pipe(
  lossFromJSON({}, { input: "logits", kind: "without a weight field" }),
  labelSmoothing(0.1),
  fieldFromJSON({}),
  lawFromJSON({}),
);
export const readAsAny: AnyLoss = pipe(lossFromJSON({}), scale(scheduleFromJSON({})));
export const compiledOfAny: unknown = compile(lossFromJSON({}, { input: "logits" }));
