/** Each statement must compile, and each value must have the type that it is given. */
import {
  add,
  balanced,
  classWeights,
  clip,
  compose,
  crossEntropy,
  decayedCounts,
  evaluate,
  type Frequencies,
  face,
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
  linear,
  logarithmic,
  mean,
  movingAverage,
  perToken,
  pipe,
  positionWeights,
  powerLaw,
  promptWeight,
  scale,
  sum,
  temper,
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
export const weighedRowsAlone: Of<"without a weight field"> = pipe(crossEntropy, positionWeights(powerLaw(0.5)));
export const changing: Of<"with a weight field"> = compose(
  face,
  freqWeights(decayedCounts(fromCounts([3, 2, 1]), { decay: 0.9 })),
  classWeights(movingAverage([1, 1, 1], { decay: 0.9 })),
)(crossEntropy);
export const smoothed: Frequencies = pipe(fromCounts([3, 2, 1, 0]), goodTuring(), jelinekMercer(0.9), floor(0.5));

export const value: number = evaluate(reduced, batch);
export const values: unknown = evaluate(rows, batch);
