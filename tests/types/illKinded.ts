/** Each statement must not compile, with a message that holds the texts of the comment before it. */
import {
  add,
  balanced,
  classWeights,
  compile,
  compose,
  crossEntropy,
  decayedCounts,
  evaluate,
  evaluateGradient,
  face,
  flow,
  freqWeights,
  fromCounts,
  glove,
  idf,
  ignoreIndex,
  inverseFrequency,
  keepProbability,
  labelSmoothing,
  language,
  logarithmic,
  logitAdjustment,
  lossFromJSON,
  mean,
  meanSquaredError,
  perToken,
  pipe,
  positionWeights,
  powerLaw,
  promptWeight,
  scaleGrad,
  sif,
  stretchedExponential,
  sum,
  temper,
  tlat,
  tokenSelection,
  uncertainty,
  unlikelihood,
  watchTerms,
  zipfMandelbrot,
} from "lossmith";
import { lossFor, type TrainStep, withLoss } from "lossmith/training";

const field = freqWeights(fromCounts([3, 2, 1]));
declare const step: TrainStep<number>;
declare const stepOfValues: TrainStep<number, "values">;
declare const model: Parameters<typeof withLoss>[0];
declare const options: Parameters<typeof withLoss>[2];

// error: "without a weight field" | "with a weight field"
powerLaw(0.5)(crossEntropy);

// error: LawCombinator | "without a weight field"
pipe(crossEntropy, powerLaw(0.5));

// error: LawCombinator | "without a weight field"
pipe(crossEntropy, stretchedExponential({ tau: 10, beta: 0.5 }));

// error: LawCombinator | "without a weight field"
pipe(crossEntropy, logarithmic);

// error: "already reduced" | 'Open'
pipe(crossEntropy, uncertainty("s"), labelSmoothing(0.1));

// error: "already reduced per token"
pipe(crossEntropy, perToken, uncertainty("s"));

// error: already reduced
compose(tokenSelection(0.6), uncertainty("s"));

// error: CompiledLoss<Scalar | not assignable to type 'Scalar'
watchTerms(compile(pipe(crossEntropy, perToken)));

// error: LawCombinator | "without a weight field"
pipe(crossEntropy, inverseFrequency(0.4));

// error: LawCombinator | "without a weight field"
pipe(crossEntropy, zipfMandelbrot());

// error: LawCombinator | "without a weight field"
pipe(crossEntropy, balanced);

// error: LawCombinator | "without a weight field"
pipe(crossEntropy, tlat("exponential"));

// error: LawCombinator | "without a weight field"
pipe(crossEntropy, idf());

// error: LawCombinator | "without a weight field"
pipe(crossEntropy, sif());

// error: LawCombinator | "without a weight field"
pipe(crossEntropy, keepProbability());

// error: LawCombinator | "without a weight field"
pipe(crossEntropy, glove());

// error: LawCombinator | "without a weight field"
pipe(crossEntropy, face);

// error: "without a weight field" | "with a weight field"
temper(0.5)(crossEntropy);

// error: LawCombinator | "already reduced"
pipe(crossEntropy, field, mean, balanced);

// error: "already reduced"
promptWeight(0.1)(mean(crossEntropy));

// error: "already reduced"
positionWeights(logarithmic)(sum(crossEntropy));

// error: 'LawCombinator'
positionWeights(0.5);

// error: 'Frequencies'
logitAdjustment(decayedCounts(fromCounts([3, 2, 1]), { decay: 0.9 }));

// error: "already reduced"
unlikelihood()(mean(crossEntropy));

// error: "values"
unlikelihood()(meanSquaredError);

// error: 'gamma'
scaleGrad({});

// error: "already reduced" | Open
mean(mean(crossEntropy));

// error: Reduce | "already reduced"
pipe(crossEntropy, mean, sum);

// error: LawCombinator | "already reduced"
pipe(crossEntropy, field, mean, powerLaw(0.5));

// error: "already reduced"
powerLaw(0.5)(pipe(crossEntropy, field, mean));

// error: "already reduced"
labelSmoothing(0.1)(mean(crossEntropy));

// error: "already reduced per token"
sum(perToken(crossEntropy));

// error: "already reduced"
classWeights([1, 2, 3])(sum(crossEntropy));

// error: "a loss that is already reduced comes where one is needed that is with a weight field"
compose(powerLaw(0.5), mean);

// error: "a loss that is already reduced comes where one is needed that is without a weight field"
compose(mean, mean);

// error: "a loss that is already reduced comes where one is needed that is with a weight field"
compose(powerLaw(0.5), mean, field);

// error: "without a weight field" | "with a weight field"
compose(mean, powerLaw(0.5))(crossEntropy);

// error: LawCombinator | "already reduced"
flow(mean, powerLaw(0.5));

// error: 'number'
export const lossIsNoNumber: number = crossEntropy;

// error: 'number'
add(0.5);

// error: "already reduced per token"
pipe(crossEntropy, perToken, add(mean(crossEntropy)));

// error: "already reduced per token"
pipe(crossEntropy, add(perToken(crossEntropy)));

// error: an array of unknown length has no kind
compose(...([mean, sum] as (typeof mean)[]));

// error: 'DecayedCounts | Frequencies'
freqWeights([3, 2, 1]);

const values = { predictions: [[1]], targets: [[1]] };
const tokens = { logits: [[1]], labels: [0] };

// error: "values" | "logits"
field(meanSquaredError);

// error: "values" | "logits"
pipe(meanSquaredError, labelSmoothing(0.1));

// error: "values" | "logits"
ignoreIndex(0)(meanSquaredError);

// error: "values" | "logits"
pipe(crossEntropy, add(meanSquaredError));

// error: "logits" | "values"
pipe(meanSquaredError, mean, add(mean(crossEntropy)));

// error: "values" | "logits"
compose(mean, field)(meanSquaredError);

// error: 'ValuesBatch' | predictions, targets
compile(meanSquaredError)(tokens);

// error: 'Batch' | logits, labels
compile(crossEntropy)(values);

// error: 'ValuesBatch'
compile(meanSquaredError).parts(tokens);

// error: PlainValuesBatch
evaluate(meanSquaredError, tokens);

// error: PlainBatch
evaluate(crossEntropy, values);

// error: 'PlainValuesBatch'
evaluateGradient(meanSquaredError, tokens);

// error: 'ClassExpression' | 'ColumnExpression'
language.overColumns("sum", language.nll);

// error: Keep | Kind
pipe(lossFromJSON({}, { input: "logits" }), labelSmoothing(0.1));

// error: "values"
pipe(lossFromJSON({}, { input: "values", kind: "without a weight field" }), labelSmoothing(0.1));

// error: "already reduced per token"
lossFor(pipe(crossEntropy, perToken));

// error: labels
step({ x: 0 });

// error: 'labels' does not exist | "values"
stepOfValues({ x: 0, labels: [0] });

// error: "already reduced per token"
withLoss(model, pipe(crossEntropy, perToken), options);
