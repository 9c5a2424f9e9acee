import * as tf from "@tensorflow/tfjs";
import { LossError } from "../loss/error.ts";
import type { Input } from "../loss/loss.ts";
import type { Batches, CompiledLoss } from "./compile.ts";

/** The numbers of a loss and of its terms, by name. */
export interface TermNumbers {
  readonly value: number;
  readonly terms: Readonly<Record<string, number>>;
}

/** A compiled loss that remembers the values of its terms. */
export interface WatchedLoss<I extends Input = "logits"> {
  /** The loss of a batch, as the compiled loss gives it. */
  (batch: Batches[I]): tf.Scalar;
  /** The numbers of the latest call, or null before the first: one download, which waits for the device. */
  read(): Promise<TermNumbers | null>;
  /** Frees the one small tensor that is kept. The compiled loss stays. */
  dispose(): void;
}

/**
 * A compiled loss whose terms can be read after a step, for logs: each call keeps their values on the device, one tensor
 * [1 + terms] in all, and only `read` waits for them.
 *
 * @throws LossError for a loss that ends in `perToken`.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { add, compile, crossEntropy, focal, named, pipe, scale, watchTerms } from "lossmith";
 * import { expect } from "expect";
 *
 * const hard = pipe(crossEntropy, focal({ gamma: 2 }), scale(0.5), named("focal"));
 * const loss = watchTerms(compile(pipe(crossEntropy, named("plain"), add(hard))));
 * const logits = tf.variable(tf.tensor2d([[2, 1, 0]]));
 * tf.train.sgd(0.1).minimize(() => loss({ logits, labels: [0] }));
 *
 * const numbers = await loss.read();
 * expect(Object.keys(numbers?.terms ?? {})).toEqual(["plain", "focal"]);
 * expect(numbers?.value).toBeCloseTo((numbers?.terms["plain"] ?? 0) + (numbers?.terms["focal"] ?? 0), 6);
 * loss.dispose();
 * ```
 */
export function watchTerms<I extends Input>(loss: CompiledLoss<tf.Scalar, I>): WatchedLoss<I> {
  if (typeof loss !== "function" || typeof loss.withTerms !== "function") {
    throw new LossError("watchTerms(loss)", `got ${String(loss)}`, "Give a compiled loss: watchTerms(compile(loss))");
  }
  if (loss.plan.perToken) {
    throw new LossError(
      "watchTerms(loss)",
      "the loss ends in perToken, so that its terms are no numbers",
      "End it in sum, mean or weightedMean, or call withTerms",
    );
  }
  let names: readonly string[] = [];
  let latest: tf.Tensor | null = null;
  const run = (batch: Batches[I]): tf.Scalar => {
    const { value, terms } = loss.withTerms(batch);
    const before = latest;
    names = Object.keys(terms);
    latest = tf.keep(tf.stack([value, ...Object.values(terms)]));
    before?.dispose();
    return value;
  };
  return Object.assign(run, {
    read: async (): Promise<TermNumbers | null> => {
      if (latest === null) return null;
      const of = names;
      const [value, ...numbers] = await latest.data();
      return { value, terms: Object.fromEntries(of.map((name, i) => [name, numbers[i]])) };
    },
    dispose: (): void => {
      latest?.dispose();
      latest = null;
    },
  });
}
