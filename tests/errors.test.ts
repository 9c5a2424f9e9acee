/** Wrong input gets a LossError that says what was wrong, where, and what would be right. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type Batch,
  classWeights,
  compile,
  compileEither,
  crossEntropy,
  evaluate,
  evaluateGradient,
  LossError,
  meanSquaredError,
  pipe,
  useBackend,
  type ValuesBatch,
  weightedMean,
} from "lossmith";
import { backends, gpuBackends, startBackend } from "./support/backends.ts";
import {
  anything,
  badBatches,
  badParameters,
  badTensors,
  illKinded,
  labelTensorOutOfRange,
  mixed,
  z,
} from "./support/wrongInput.ts";
import { badValueParameters, badValues, badValueTensors, mixedInputs, valuesForLogits } from "./support/wrongValues.ts";

/** The message of the LossError that `run` throws. */
function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(LossError);
    const { where, what, remedy, message } = error as LossError;
    for (const part of [where, what, remedy]) {
      expect(part.length).toBeGreaterThan(0);
      expect(message).toContain(part);
    }
    return message;
  }
  return "no error";
}

describe("bad parameters are refused at composition", () => {
  for (const [name, run, ...parts] of [...badParameters, ...badValueParameters]) {
    test(name, () => {
      const message = messageOf(run);
      for (const part of parts) expect(message).toContain(part);
    });
  }
});

describe("ill-kinded compositions are refused at run time too", () => {
  for (const [name, run, part] of illKinded) {
    test(name, () => {
      expect(messageOf(run as () => unknown)).toContain(part);
    });
  }

  test("a sum of a loss per token and a reduced loss has no value", () => {
    const batch = { logits: [[0, 0]], labels: [0] };
    expect(messageOf(() => evaluate(mixed, batch))).toContain("one number a token");
    expect(messageOf(() => compile(mixed))).toContain("one number a token");
  });
});

describe("what reads the one input is refused over the other at run time too", () => {
  for (const [name, run, ...parts] of mixedInputs) {
    test(name, () => {
      const message = messageOf(run);
      for (const part of parts) expect(message).toContain(part);
    });
  }
});

describe("bad batches are refused by the reference", () => {
  for (const { name, loss, batch, parts } of badValues) {
    test(`of values: ${name}`, () => {
      const message = messageOf(() => evaluate(loss as typeof meanSquaredError, batch));
      for (const part of parts) expect(message).toContain(part);
      expect(messageOf(() => evaluateGradient(loss as typeof meanSquaredError, batch))).toBe(message);
    });
  }

  test("of values, for a loss over logits", () => {
    const [loss, batch, ...parts] = valuesForLogits;
    const message = messageOf(() => evaluate(loss as never, batch as never));
    for (const part of parts) expect(message).toContain(part);
  });

  for (const { name, loss, batch, parts } of badBatches) {
    test(name, () => {
      const message = messageOf(() => evaluate(loss as typeof crossEntropy, batch));
      for (const part of parts) expect(message).toContain(part);
    });
  }
});

for (const backend of backends) {
  describe(`bad batches are refused by compiled losses, ${backend}`, () => {
    beforeAll(startBackend(backend));

    for (const { name, loss, batch, parts } of badBatches) {
      test(name, () => {
        const before = tf.memory().numTensors;
        const logits = tf.tensor2d(batch.logits as number[][]);
        const compiled = compile(loss);
        const message = messageOf(() => compiled({ ...batch, logits } as Batch));
        for (const part of parts) expect(message).toContain(part);
        logits.dispose();
        compiled.dispose();
        expect(tf.memory().numTensors).toBe(before);
      });
    }

    for (const { name, loss, batch, parts } of badValues) {
      test(`of values: ${name}`, () => {
        const before = tf.memory().numTensors;
        const compiled = compile(loss as typeof meanSquaredError);
        const predictions = batch.predictions === undefined ? undefined : tf.tensor(batch.predictions as number[][]);
        const message = messageOf(() => compiled({ ...batch, ...(predictions && { predictions }) } as ValuesBatch));
        for (const part of parts) expect(message).toContain(part);
        predictions?.dispose();
        compiled.dispose();
        expect(tf.memory().numTensors).toBe(before);
      });
    }

    test("of values, for a loss over logits", () => {
      const [loss, batch, ...parts] = valuesForLogits;
      const message = messageOf(() => compile(loss)(batch as unknown as Batch));
      for (const part of parts) expect(message).toContain(part);
    });

    for (const [name, batch, ...parts] of badValueTensors) {
      test(`of values: ${name}`, () => {
        const message = messageOf(() => tf.tidy(() => compile(meanSquaredError)(batch())));
        for (const part of parts) expect(message).toContain(part);
      });
    }

    test("the denominators of values in a typed array, which has no rows", () => {
      const loss = compile(meanSquaredError);
      expect(messageOf(() => loss.denominators({ targets: new Float32Array(4) }))).toContain("without the predictions");
    });

    for (const [name, batch, ...parts] of [...badTensors, labelTensorOutOfRange]) {
      test(name, () => {
        const message = messageOf(() => tf.tidy(() => compile(crossEntropy)(batch())));
        for (const part of parts) expect(message).toContain(part);
      });
    }

    test("weights above float32's largest number", () => {
      const loss = compile(pipe(crossEntropy, classWeights([1e300, 1, 1])));
      expect(messageOf(() => tf.tidy(() => loss({ logits: z(), labels: [0, 1] })))).toContain("id 0");
    });

    test("a gradient of the gradient", () => {
      const loss = compile(crossEntropy);
      const value = (x: tf.Tensor): tf.Scalar => loss({ logits: x, labels: [0, 1] }) as tf.Scalar;
      const inner = tf.grad(value);
      const outer = tf.grad((x: tf.Tensor) => tf.sum(inner(x)));
      const x = z();
      expect(messageOf(() => outer(x))).toContain("gradient of the gradient");
      x.dispose();
    });
  });
}

describe("Either and promises", () => {
  test("compileEither gives the LossError as a left", () => {
    const either = compileEither(mixed);
    expect(either._tag).toBe("Left");
    expect(compileEither(weightedMean(crossEntropy))._tag).toBe("Right");
  });

  test("useBackend rejects an unknown name and what it cannot start", async () => {
    const reason = (name: unknown): Promise<unknown> =>
      useBackend(anything(name)).then(String, (error: unknown) => error);
    expect(await reason("gpu")).toBeInstanceOf(LossError);
    expect(String(await reason("gpu"))).toContain('"wasm"');
    if (gpuBackends.length === 0) expect(await reason("webgpu")).toBeInstanceOf(LossError);
  });
});
