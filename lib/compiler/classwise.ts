/**
 * Sums over the classes of expressions that are not linear in nll, with ordinary ops over [N, V]: Σ_c q_c f(nll_c,
 * logOdds_c), with q the soft targets, a teacher's softmax or 1. Right for any f, and as costly as the number of its nodes.
 */
import * as tf from "@tensorflow/tfjs";
import { rowSums } from "../kernels/sums.ts";
import {
  type ClassSums,
  complement,
  sumsOfLogOdds,
  sumsOfNll,
  throughLogOdds,
  throughNll,
} from "../kernels/throughSoftmax.ts";
import { differentiate } from "../loss/differentiate.ts";
import { atomsOf, interpreter } from "../loss/expression.ts";
import type { ClassAtom, ClassExpression, LogitsAtom } from "../loss/loss.ts";
import { tidied } from "./saved.ts";
import { type RowValues, tensorAlgebra } from "./tensorAlgebra.ts";

/** What a class-wise expression reads. */
export interface ClasswiseContext {
  /** The logits in the atom's view, [N, V], with rows that are not valid replaced. */
  readonly viewed: (a: LogitsAtom) => {
    readonly logits: tf.Tensor2D;
    readonly m: tf.Tensor1D;
    readonly s: tf.Tensor1D;
  };
  /** A number, or [V]. */
  readonly constantOf: (a: Exclude<ClassAtom, LogitsAtom>) => number | tf.Tensor;
  /** q [N, V]; null for 1. */
  readonly weights: tf.Tensor2D | null;
}

/** Σ_c q_c f_c for each row, [N]. */
export function classwiseSum(body: ClassExpression, context: ClasswiseContext): tf.Tensor1D {
  return tf.tidy(() => rowSums(weighed(classValues(body, context), context.weights)));
}

/** f_c for each row and class, [N, V]. */
export function classValues(body: ClassExpression, context: ClasswiseContext): tf.Tensor2D {
  const meaning = (a: ClassAtom): RowValues => {
    const value = "view" in a && a.kind !== "wholeRow" ? logitsAtomValue(a, context) : context.constantOf(a);
    return value as RowValues;
  };
  // What an expression is made of is as large as the logits.
  return tf.tidy(() => interpreter(tensorAlgebra(meaning))(body) as unknown as tf.Tensor2D);
}

/**
 * The gradient of Σ_i g_i Σ_c q_ic f_ic for the viewed logits that `a` reads, [N, V]. `sums` are those of `classwiseSums` over whole rows
 * where the classes of the context are some of them.
 */
export function classwiseGradient(
  body: ClassExpression,
  a: LogitsAtom,
  g: tf.Tensor1D,
  context: ClasswiseContext,
  sums?: ClassSums,
): tf.Tensor2D {
  return tf.tidy(() => {
    const { nll, slopes } = slopesOf(body, a, context);
    const rowG = g.expandDims<tf.Tensor2D>(1);
    const reached = tf.mul(rowG, slopes) as tf.Tensor2D;
    slopes.dispose();
    const ofRows = sums && { sum: tf.mul(rowG, sums.sum), ofOthers: tf.mul(rowG, sums.ofOthers) };
    return a.kind === "nll" ? throughNll(nll, reached, ofRows) : throughLogOdds(nll, reached, ofRows);
  });
}

/** What `classwiseGradient` sums over the classes of a row, for g = 1. */
export function classwiseSums(body: ClassExpression, a: LogitsAtom, context: ClasswiseContext): ClassSums {
  return tidied(() => {
    const { nll, slopes } = slopesOf(body, a, context);
    return a.kind === "nll" ? sumsOfNll(nll, slopes) : sumsOfLogOdds(nll, slopes);
  });
}

/** q_c ∂f_c/∂a_c, [N, V], beside nll_c. */
function slopesOf(
  body: ClassExpression,
  a: LogitsAtom,
  context: ClasswiseContext,
): { readonly nll: tf.Tensor2D; readonly slopes: tf.Tensor2D } {
  const nll = logitsAtomValue({ ...a, kind: "nll" }, context);
  const slopes = tf.tidy(() => {
    const derivative = classValues(
      differentiate(body, (b) => b === a),
      context,
    );
    return tf.mul(weighed(derivative, context.weights), tf.onesLike(nll)) as tf.Tensor2D;
  });
  return { nll, slopes };
}

/** The atoms of the model's logits in a class-wise expression. */
export function logitsAtomsOf(body: ClassExpression): readonly LogitsAtom[] {
  return atomsOf(body).filter((a): a is LogitsAtom => "view" in a && a.kind !== "wholeRow" && a.view.of === "logits");
}

/** nll_c or logOdds_c for each row and class, [N, V]. */
export function logitsAtomValue(a: LogitsAtom, context: Pick<ClasswiseContext, "viewed">): tf.Tensor2D {
  return tf.tidy(() => {
    const { logits, m, s } = context.viewed(a);
    const nll = tf.sub(s.expandDims(1), tf.sub(logits, m.expandDims(1))) as tf.Tensor2D;
    return a.kind === "nll" ? nll : (tf.sub(tf.neg(nll), tf.log(complement(nll))) as tf.Tensor2D);
  });
}

/** q_c f_c, and 0 where q_c is 0. */
function weighed(values: tf.Tensor, weights: tf.Tensor2D | null): tf.Tensor {
  if (weights === null) return values;
  return tf.where(tf.equal(weights, 0), tf.zerosLike(weights), tf.mul(weights, values));
}
