/** Checkpoints: exact, whole or not at all, and of this training. */
import { beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs";
import { crossEntropy, LossError, parameter, pipe, temperature } from "lossmith";
import { type Checkpoint, checkpoint, type TrainStep, trainStep, withLoss } from "lossmith/training";
import { backends, startBackend } from "../support/backends.ts";

interface Training {
  readonly step: TrainStep<tf.Tensor2D>;
  readonly saved: Checkpoint;
  readonly weights: tf.Variable;
  readonly dispose: () => void;
}

function training(optimizer: tf.Optimizer, shape: [number, number] = [3, 3]): Training {
  const weights = tf.tidy(() => tf.variable(tf.randomUniform<tf.Rank.R2>(shape, -1, 1, "float32", 1)));
  const loss = pipe(crossEntropy, temperature(parameter("t", 2)));
  const model = (x: tf.Tensor2D): tf.Tensor => tf.matMul(x, weights);
  const step = trainStep({ optimizer, loss, model, variables: [weights] });
  const saved = checkpoint({ variables: [weights], optimizer, clock: step.clock, parameters: step.parameters });
  const dispose = (): void => {
    step.dispose();
    optimizer.dispose();
    weights.dispose();
  };
  return { step, saved, weights, dispose };
}

async function losses({ step }: Training, count: number): Promise<number[]> {
  const x = tf.tensor2d([1, 0.5, -1, 0, 1, 2], [2, 3]);
  const found: number[] = [];
  for (let i = 0; i < count; i++) found.push((await step({ x, labels: [i % 3, 1] })).loss);
  x.dispose();
  return found;
}

for (const backend of backends) {
  describe(`checkpoints, ${backend}`, () => {
    beforeAll(startBackend(backend));

    const optimizers: Readonly<Record<string, () => tf.Optimizer>> = {
      sgd: () => tf.train.sgd(0.3),
      momentum: () => tf.train.momentum(0.3, 0.9),
      nesterov: () => tf.train.momentum(0.3, 0.9, true),
      adam: () => tf.train.adam(0.1),
      adamax: () => tf.train.adamax(0.1),
      rmsprop: () => tf.train.rmsprop(0.1, 0.9, 0.5, undefined, true),
      adagrad: () => tf.train.adagrad(0.3),
      adadelta: () => tf.train.adadelta(0.5),
    };
    for (const [name, make] of Object.entries(optimizers)) {
      test(`${name} goes on to the very same losses, and nothing is left behind`, async () => {
        const one = training(make());
        await losses(one, 4);
        const bytes = await one.saved.encode({ loss: { kind: "mine" }, random: 17 });
        const expected = await losses(one, 6);
        one.dispose();
        const { numTensors } = tf.memory();
        const other = training(make());
        await losses(other, 2);
        expect(await other.saved.decode(bytes)).toEqual({
          step: 4,
          loss: { kind: "mine" },
          random: 17,
          notes: undefined,
        });
        expect(await losses(other, 6)).toEqual(expected);
        other.dispose();
        // tf.train.momentum never frees the tensor of its rate.
        const own = name === "momentum" || name === "nesterov" ? 1 : 0;
        expect(tf.memory().numTensors - numTensors).toBe(own);
      });
    }

    test("a state is the one at the time of the call, whatever is trained while it is written", async () => {
      const one = training(tf.train.adam(0.1));
      await losses(one, 2);
      const before = [...(await one.weights.data())];
      const bytes = one.saved.encode();
      await losses(one, 3);
      await one.saved.decode(await bytes);
      expect([...(await one.weights.data())]).toEqual(before);
      expect(one.step.clock.step).toBe(2);
      one.dispose();
    });
  });
}

describe("variables that come into training in another order after loading", () => {
  beforeAll(startBackend("cpu"));

  test("branches of a model, of which a step takes one", async () => {
    const make = (): { step: TrainStep<number>; saved: Checkpoint } => {
      const variables = [1, 2].map((seed) => tf.variable(tf.randomUniform([1, 3], -1, 1, "float32", seed)));
      const optimizer = tf.train.adam(0.1);
      const step = trainStep({ optimizer, loss: crossEntropy, model: (branch: number) => variables[branch] });
      return { step, saved: checkpoint({ variables, optimizer, clock: step.clock }) };
    };
    const run = async (step: TrainStep<number>, branches: readonly number[]): Promise<number[]> => {
      const found: number[] = [];
      for (const x of branches) found.push((await step({ x, labels: [2 * x] })).loss);
      return found;
    };
    const one = make();
    await run(one.step, [1, 1, 0]);
    const bytes = await one.saved.encode();
    const expected = await run(one.step, [0, 1, 0, 1]);
    const other = make();
    await other.saved.decode(bytes);
    expect(await run(other.step, [0, 1, 0, 1])).toEqual(expected);
  });

  test("layers that are thawed, or frozen, beside batch normalisation", async () => {
    const make = (): tf.Sequential => {
      const kernelInitializer = tf.initializers.glorotUniform({ seed: 4 });
      const layer = (): tf.layers.Layer => tf.layers.dense({ units: 2, inputShape: [2], kernelInitializer });
      return tf.sequential({ layers: [layer(), tf.layers.batchNormalization(), layer()] });
    };
    const start = (model: tf.LayersModel): { run: () => Promise<number>; saved: Checkpoint } => {
      const optimizer = tf.train.adam(0.1);
      const { clock, trainOnBatch } = withLoss(model, crossEntropy, { optimizer });
      const x = tf.tensor2d([1, 2, 0, -1], [2, 2]);
      const run = async (): Promise<number> => (await trainOnBatch(x, tf.tensor1d([0, 1]))).loss;
      return { run, saved: checkpoint({ variables: model, optimizer, clock }) };
    };
    const model = make();
    const { run, saved } = start(model);
    model.layers[0].trainable = false;
    await run();
    await run();
    const whenFrozen = await saved.encode();
    model.layers[0].trainable = true;
    await run();
    const whenThawed = await saved.encode();
    const expected = [await run(), await run()];
    const other = start(make());
    await other.saved.decode(whenThawed);
    expect([await other.run(), await other.run()]).toEqual(expected);
    // The first layer was frozen then, and is not here.
    await other.saved.decode(whenFrozen);
    await other.run();
    expect([await other.run(), await other.run()]).toEqual(expected);
  });
});

describe("files", () => {
  beforeAll(startBackend("cpu"));

  const folder = (): string => mkdtempSync(join(tmpdir(), "checkpoint-"));

  test("what is torn, foreign or of another version is refused, and changes nothing", async () => {
    const path = join(folder(), "a.checkpoint");
    const one = training(tf.train.adam(0.1));
    await losses(one, 2);
    await one.saved.save(path);
    expect(readdirSync(join(path, ".."))).toEqual(["a.checkpoint"]);
    const whole = readFileSync(path);
    await losses(one, 1);
    const before = [...(await one.weights.data())];
    const refused = async (bytes: Uint8Array, message: string): Promise<void> => {
      writeFileSync(path, bytes);
      await expect(one.saved.load(path)).rejects.toThrow(LossError);
      await expect(one.saved.load(path)).rejects.toThrow(message);
    };
    for (const size of [whole.length - 1, Math.floor(whole.length / 2), 20, 9]) {
      await refused(whole.subarray(0, size), "torn");
    }
    for (const at of [12, 40, whole.length - 60, whole.length - 1]) {
      const bad = Uint8Array.from(whole);
      bad[at] ^= 1;
      await refused(bad, "torn");
    }
    await refused(new Uint8Array(0), "no checkpoint of lossmith");
    await refused(
      new TextEncoder().encode('{"a": 1, "b": "a longer text than eight letters"}'),
      "no checkpoint of lossmith",
    );
    const newer = Uint8Array.from(whole);
    newer[8] = 9;
    const body = newer.slice(0, -32);
    newer.set(new Uint8Array(await crypto.subtle.digest("SHA-256", body)), body.length);
    await refused(newer, "version 9");
    await expect(one.saved.load(`${path}.none`)).rejects.toThrow("there is no file");
    expect([...(await one.weights.data())]).toEqual(before);
    expect(one.step.clock.step).toBe(3);
    writeFileSync(path, whole);
    await one.saved.load(path);
    expect(one.step.clock.step).toBe(2);
    one.dispose();
    rmSync(join(path, ".."), { recursive: true });
  });

  test("options of other kinds", () => {
    const variables: tf.Variable[] = [];
    for (const options of [undefined, {}, { variables: [tf.scalar(0)] }, { variables, optimizer: "adam" }]) {
      expect(() => checkpoint(options as never)).toThrow(LossError);
    }
    expect(() => checkpoint({ variables, clock: 3 } as never)).toThrow("clock of the training");
    expect(() => checkpoint({ variables, parameters: {} } as never)).toThrow("parameters of the training");
  });

  test("that of another training", async () => {
    const one = training(tf.train.adam(0.1));
    await losses(one, 1);
    const bytes = await one.saved.encode();
    const other = training(tf.train.momentum(0.1, 0.9));
    await expect(other.saved.decode(bytes)).rejects.toThrow("the state of Adam, and the optimizer is Momentum");
    const wider = training(tf.train.adam(0.1), [4, 3]);
    await expect(wider.saved.decode(bytes)).rejects.toThrow(
      "variable 0 is float32 [3, 3] in it, and float32 [4, 3] here",
    );
    const less = checkpoint({ variables: [one.weights], optimizer: tf.train.adam(0.1), clock: one.step.clock });
    await expect(less.decode(bytes)).rejects.toThrow("the parameters [t], and the loss has []");
    const none = checkpoint({ variables: [], parameters: one.step.parameters });
    await expect(none.decode(bytes)).rejects.toThrow("it has 1 variables");
    for (const each of [one, other, wider]) each.dispose();
  });

  test("a training that is killed at random goes on to the losses of one that is not", async () => {
    const steps = 40;
    const script = fileURLToPath(new URL("./programs/resuming.ts", import.meta.url));
    const flags = "Deno" in globalThis ? ["run", "--allow-all", "--no-check"] : [];
    /** Runs the program, killed some time after its first line. */
    const run = (
      path: string,
      pause: number,
      killAfter: number | null,
    ): Promise<{ lines: string[]; killed: boolean }> =>
      new Promise((resolve, reject) => {
        const child = spawn(process.execPath, [...flags, script, path, String(steps), String(pause)]);
        let [output, errors] = ["", ""];
        let timer: ReturnType<typeof setTimeout> | null = null;
        child.stderr.on("data", (data: Buffer) => {
          errors += data.toString();
        });
        child.stdout.on("data", (data: Buffer) => {
          output += data.toString();
          if (killAfter !== null && output.includes('"step"'))
            timer ??= setTimeout(() => child.kill("SIGKILL"), killAfter);
        });
        child.on("close", (code, signal) => {
          if (timer !== null) clearTimeout(timer);
          if (code !== 0 && signal !== "SIGKILL") return reject(new Error(errors));
          // The last line of a killed process may be cut.
          resolve({
            lines: output
              .split("\n")
              .slice(0, -1)
              .filter((line) => line.startsWith("{")),
            killed: signal === "SIGKILL",
          });
        });
      });
    const place = folder();
    const whole = (await run(join(place, "whole"), 0, null)).lines;
    expect(whole.length).toBe(steps);
    const seen = new Map<number, number>();
    let kills = 0;
    for (let round = 0; ; round++) {
      const { lines, killed } = await run(join(place, "killed"), 2, round < 3 ? 40 * Math.random() : null);
      for (const line of lines) {
        const { step, loss } = JSON.parse(line) as { step: number; loss: number };
        // A step whose checkpoint was lost is taken again, to the same loss.
        if (seen.has(step)) expect(loss).toBe(seen.get(step) as number);
        seen.set(step, loss);
      }
      if (!killed) break;
      kills++;
    }
    expect(kills).toBeGreaterThan(0);
    for (const line of whole) {
      const { step, loss } = JSON.parse(line) as { step: number; loss: number };
      // The line of a step may be lost with the process that took it.
      if (seen.has(step)) expect(seen.get(step)).toBe(loss);
    }
    expect(seen.size).toBeGreaterThanOrEqual(steps - kills);
    expect(seen.get(steps - 1)).toBe((JSON.parse(whole[steps - 1]) as { loss: number }).loss);
    rmSync(place, { recursive: true });
  }, 90_000);
});
