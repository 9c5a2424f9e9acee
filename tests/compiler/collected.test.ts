/** Losses that are made, compiled, run and disposed of one after another: nothing of the library holds on to them. */
import { expect, test } from "bun:test";
import {
  type AnyLoss,
  add,
  confidencePenalty,
  crossEntropy,
  distillation,
  evaluate,
  evaluateGradient,
  explain,
  focal,
  freqWeights,
  fromCounts,
  labelSmoothing,
  linear,
  logitAdjustment,
  normalise,
  pipe,
  powerLaw,
  scale,
  softcap,
  temperature,
  tokenSelection,
  unlikelihood,
  useBackend,
  zLoss,
} from "lossmith";
import { backends } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";

/** A loss with parts of each kind, none of which another has. */
function newLoss(i: number): AnyLoss {
  return pipe(
    crossEntropy,
    temperature(1 + i / 100),
    softcap(20 + i),
    logitAdjustment(fromCounts([3, 2, 1 + i])),
    labelSmoothing(0.1),
    focal({ gamma: 1 + i / 50 }),
    unlikelihood({ weight: 0.1 + i / 100 }),
    freqWeights(fromCounts([5, 3, 1 + i])),
    powerLaw(linear({ init: 0, end: 0.5, steps: 10 + i })),
    normalise("tokenMean"),
    zLoss(1e-4),
    confidencePenalty(0.1),
    tokenSelection(0.5 + i / 400),
    add(pipe(distillation({ temperature: linear({ init: 2, end: 3 + i, steps: 10 }) }), softcap(30 + i), scale(0.5))),
  );
}

const batch = {
  logits: [
    [1, 2, 3],
    [0, -1, 1],
    [2, 0, 1],
  ],
  teacher: [
    [1, 2, 2],
    [0, 1, 1],
    [2, 1, 1],
  ],
  labels: [2, 0, 1],
  inputs: { reference: [1, 0.5, 2] },
  step: 5,
};

/** All objects that a value is made of. */
function objectsOf(value: unknown, found: Set<object> = new Set()): Set<object> {
  if (typeof value !== "object" || value === null || found.has(value)) return found;
  found.add(value);
  for (const inner of Object.values(value)) if (!ArrayBuffer.isView(inner)) objectsOf(inner, found);
  return found;
}

const collect = "Bun" in globalThis ? () => Bun.gc(true) : null;

for (const backend of backends) {
  test.skipIf(collect === null)(
    `a loss that was compiled for ${backend} is collected with all of its parts`,
    async () => {
      await useBackend(backend);
      const shared = objectsOf(newLoss(60));
      const parts: { readonly of: number; readonly part: WeakRef<object> }[] = [];
      const live = async (i: number): Promise<void> => {
        const loss = newLoss(i);
        await runCompiled(loss, batch, [3, 3]);
        evaluate(loss as typeof crossEntropy, batch);
        evaluateGradient(loss, batch);
        explain(loss, { step: 5 });
        for (const part of objectsOf(loss)) if (!shared.has(part)) parts.push({ of: i, part: new WeakRef(part) });
      };
      const count = 30;
      for (let i = 0; i < count; i++) await live(i);
      for (let i = 0; i < 5; i++) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        collect?.();
      }
      expect(parts.length).toBeGreaterThan(100 * count);
      const left = new Set(parts.filter(({ part }) => part.deref() !== undefined).map(({ of }) => of));
      // Some may lie about on the stack.
      expect(left.size).toBeLessThan(count / 2);
    },
  );
}
