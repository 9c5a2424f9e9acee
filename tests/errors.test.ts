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
  LossError,
  pipe,
  useBackend,
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
  for (const [name, run, ...parts] of badParameters) {
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

describe("bad batches are refused by the reference", () => {
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
