/** The page's settings, from an address and back. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  addressOf,
  defaults,
  lossNames,
  modelNames,
  readSettings,
  type Settings,
} from "../../examples/browser/settings.ts";

const usual: Settings = { ...defaults, json: "{}" };

const settings: fc.Arbitrary<Settings> = fc.record({
  backend: fc.constantFrom("auto", "webgpu", "webgl", "wasm", "cpu"),
  model: fc.constantFrom(...modelNames),
  losses: fc.subarray([...lossNames], { minLength: 1 }),
  json: fc.constant(usual.json),
  alpha: fc.double({ min: 0, max: 2, noNaN: true }).map((x) => x + 0),
  gamma: fc.double({ min: 0, max: 5, noNaN: true }).map((x) => x + 0),
  smoothing: fc.double({ min: 0, max: 0.5, noNaN: true }).map((x) => x + 0),
  steps: fc.integer({ min: 1, max: 100_000 }),
  pretraining: fc.integer({ min: 0, max: 100_000 }),
  learningRate: fc.double({ min: 1e-6, max: 1, noNaN: true }),
  vocabulary: fc.integer({ min: 64, max: 4096 }),
  sample: fc.integer({ min: 0, max: 200 }),
  seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
});

test("an address gives the settings that it was made of", () => {
  fc.assert(
    fc.property(settings, (given) => {
      const { settings: read, problems } = readSettings(new URLSearchParams(addressOf(given)), usual);
      expect(problems).toEqual([]);
      expect(read).toEqual(given);
    }),
  );
  expect(addressOf(usual)).toBe("");
});

test("what is wrong is named, and as it was before", () => {
  const wrong: Readonly<Record<string, string>> = {
    ...{ backend: "gpu", model: "huge", losses: "crossEntropy,hinge", steps: "0", pretraining: "2.5", alpha: "x" },
    ...{ gamma: "", seed: "-1", vocabulary: "1e9", learningRate: "NaN", smoothing: "0.6", sample: "Infinity" },
  };
  const { settings: read, problems } = readSettings(new URLSearchParams(wrong), usual);
  expect(read).toEqual({ ...usual, losses: ["crossEntropy"] });
  expect(problems.map((problem) => problem.split(" ")[0]).sort()).toEqual(Object.keys(wrong).sort());
  expect(problems).toContain("losses is “hinge”; give some of crossEntropy, powerLawDecay, focal, labelSmoothing, own");
  expect(problems).toContain("pretraining is “2.5”; give a whole number from 0 to 100000");
});
