/** Wrong input gets a LossError with what was wrong, where, and what would be right, and leaves no tensor behind. */
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  type Batch,
  classWeights,
  compile,
  crossEntropy,
  evaluate,
  LossError,
  perToken,
  pipe,
} from "lossmith";
import {
  badBatches,
  badParameters,
  badTensors,
  illKinded,
  labelTensorOutOfRange,
  mixed,
  z,
} from "../../support/wrongInput.ts";
import { type PartResult, Tally } from "./tally.ts";

export async function wrongInput(readsAtOnce: boolean): Promise<PartResult> {
  const tally = new Tally();
  const refuses = (name: string, run: () => unknown, parts: readonly string[]): void => {
    const message = messageOf(run);
    const missing = parts.filter((part) => !message.includes(part));
    tally.check(missing.length === 0, () => `${name}: "${message}" does not say ${missing.join(", ")}`);
  };

  for (const [name, run, ...parts] of [...badParameters, ...illKinded]) refuses(name, run, parts);
  refuses("a sum of two kinds", () => compile(mixed), ["one number a token"]);
  for (const { name, loss, batch, parts, inLogits = false } of badBatches) {
    refuses(`${name}, in the reference`, () => evaluate(loss as typeof crossEntropy, batch), parts);
    const before = tf.memory().numTensors;
    const logits = tf.tensor2d(batch.logits as number[][]);
    const compiled = compile(loss);
    const run = (): tf.Tensor => compiled({ ...batch, logits } as Batch);
    if (readsAtOnce || !inLogits) refuses(`${name}, compiled`, run, parts);
    else await tally.attempt(name, () => spoilsItsRow(tally, name, loss, () => ({ ...batch, logits }) as Batch));
    logits.dispose();
    compiled.dispose();
    const left = tf.memory().numTensors - before;
    tally.check(left === 0, () => `${name}: ${left} tensors are left`);
  }

  const call = (batch: () => Batch): (() => unknown) => {
    return () => tf.tidy(() => compile(crossEntropy)(batch()));
  };
  for (const [name, batch, ...parts] of badTensors) refuses(name, call(batch), parts);
  const [name, outOfRange, ...parts] = labelTensorOutOfRange;
  if (readsAtOnce) refuses(name, call(outOfRange), parts);
  else await tally.attempt(name, () => spoilsItsRow(tally, name, crossEntropy, outOfRange));

  refuses(
    "weights above float32's largest number",
    () => tf.tidy(() => compile(pipe(crossEntropy, classWeights([1e300, 1, 1])))({ logits: z(), labels: [0, 1] })),
    ["id 0"],
  );
  const logits = z();
  const loss = compile(crossEntropy);
  const value = (x: tf.Tensor): tf.Scalar => loss({ logits: x, labels: [0, 1] }) as tf.Scalar;
  const inner = tf.grad(value);
  refuses("a gradient of the gradient", () => tf.grad((x: tf.Tensor) => tf.sum(inner(x)))(logits), [
    "gradient of the gradient",
  ]);
  logits.dispose();
  loss.dispose();
  return tally.result("wrong input");
}

/** Where the host cannot look at a tensor without waiting, the second row is NaN and the first is not. */
async function spoilsItsRow(tally: Tally, name: string, loss: AnyLoss, batch: () => Batch): Promise<void> {
  const value = tf.tidy(() => compile(pipe(loss as typeof crossEntropy, perToken))(batch()));
  const values = [...(await value.data())];
  tally.check(Number.isFinite(values[0]) && Number.isNaN(values[1]), () => `${name}: ${values}`);
  value.dispose();
}

/** The message of the LossError that `run` throws, with all its parts. */
function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (!(error instanceof LossError)) return `not a LossError: ${String(error)}`;
    const { where, what, remedy, message } = error;
    const parts = [where, what, remedy].filter((part) => part !== "" && message.includes(part));
    return parts.length === 3 ? message : `incomplete: ${message}`;
  }
  return "no error";
}
