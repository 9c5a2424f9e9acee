/** The numbers of a row that the gradient of its entries is formed from. */
import * as tf from "@tensorflow/tfjs";
import { labelsOf, type RowCotangents, type RowStatistics, type WideInput } from "../rowStatistics.ts";
import { Inputs, samplerOf } from "./program.ts";
import { stateSource } from "./statistics.ts";
import type { KnownView } from "./weights.ts";

/** A view with cotangents. */
export interface ViewGradient {
  readonly index: number;
  readonly statistics: RowStatistics;
  /** The sums of the weights of its cross entropies. */
  readonly weights: tf.Tensor2D | null;
  readonly cotangents: RowCotangents;
}

type CotangentName = "s" | "n" | "t" | "r" | "e";
const names: readonly CotangentName[] = ["s", "n", "t", "r", "e"];

/** The dots of a view through which a gradient goes. */
export function dotsWithGradient(input: WideInput, { index, cotangents }: ViewGradient): readonly number[] {
  return input.views[index].dots.flatMap(({ times }, k) => {
    return times === "nothing" || cotangents.dots[k] === null ? [] : [k];
  });
}

/** The cross entropies among them, each with its place among all cross entropies of the view. */
export function crossEntropiesOf(
  input: WideInput,
  view: ViewGradient,
): readonly { readonly k: number; readonly place: number }[] {
  const all = input.views[view.index].dots.flatMap(({ times }, k) => (times === "nll" ? [k] : []));
  return dotsWithGradient(input, view).flatMap((k) => (all.includes(k) ? [{ k, place: all.indexOf(k) }] : []));
}

/** Where the cotangents of dots begin among the columns of coefficients. */
export const firstDot = 8;

/**
 * [N, 8 + dots]: with x_j the entry relative to h, the gradient of z'_j is exp(x_j) (A + B x_j), and T at the label, and
 * what the dots add; but U at the highest entry in place of these and of what the cross entropies add there. The columns
 * are h, A, B, T, a sign that is 0 in rows without gradient and 2 in those where it is NaN, the column of the highest
 * entry, U, 0, and the cotangents of the dots.
 */
export function coefficientsOf(input: WideInput, known: KnownView, view: ViewGradient): tf.Tensor2D {
  const { cotangents, statistics } = view;
  const [rows] = known.source.shape;
  const inputs = new Inputs();
  inputs.tensor("state", known.state);
  if (input.valid !== null) inputs.tensor("valid", input.valid.tensor);
  const read = (name: string, tensor: tf.Tensor1D | null): string => {
    if (tensor === null) return "vec2(0.)";
    inputs.tensor(name, tensor);
    return `${samplerOf(name)}(coords.x).xy`;
  };
  const given = names.map((name) => `vec2 g_${name} = ${read(`cotangent_${name}`, cotangents[name])};`);
  const e = read("expectation", cotangents.e === null ? null : statistics.e);
  const dots = dotsWithGradient(input, view);
  const dotNames = dots.map((k) => `g_dot${k}`);
  const ofDots = dots.map((k) => cotangents.dots[k] as tf.Tensor1D);
  // A program reads 16 tensors at most.
  const stack = ofDots.length > 4 ? tf.stack(ofDots) : null;
  if (stack !== null) inputs.tensor("dots", stack);
  const dotValues = dots.map((k, i) => {
    const value = stack === null ? read(`dot${k}`, ofDots[i]) : `getDots(${i}, coords.x).${i % 2 === 0 ? "xy" : "zw"}`;
    return `vec2 g_dot${k} = ${value};`;
  });
  const crossEntropies = crossEntropiesOf(input, view);
  if (view.weights !== null && crossEntropies.length > 0) inputs.tensor("weights", view.weights);
  const throughWeights = crossEntropies.map(({ k, place }) => {
    return `
      vec4 weights${k} = getWeights(coords.x, ${2 * place});
      vec2 W${k} = weights${k}.xz + weights${k}.yw;
      toAll += reached(g_dot${k}, W${k});
      toHighest += reached(g_dot${k}, weights${k}.xz - W${k} * unlikely);`;
  });
  const labelled = labelsOf(input, input.views[view.index]) !== null;
  const columns = firstDot + dots.length;
  const all = [...names.map((name) => `g_${name}`), ...dotNames];
  const pairs: (readonly [string, string])[] = [
    ["h", "A"],
    ["B", "T"],
    crossEntropies.length === 0 ? ["sign2", "vec2(0.)"] : ["sign2", "highest.xz"],
    ["U", "vec2(0.)"],
  ];
  for (let i = 0; i < dots.length; i += 2) pairs.push([dotNames[i], dotNames[i + 1] ?? "vec2(0.)"]);
  const coefficients = inputs.run(
    `${stateSource(input.views[view.index])}
    /** What a row without weight adds, whatever it is weighed by, is 0. */
    vec2 reached(vec2 g, vec2 x) {
      return mix(g * x, vec2(0.), equal(g, vec2(0.)));
    }
    void main() {
      ivec2 coords = getOutputCoords();
      readState(coords.x);
      ${given.join("\n")}
      ${dotValues.join("\n")}
      vec2 e = ${e};
      bvec2 isNaN = isBad;
      vec2 size = vec2(0.);
      ${all.map((g) => `isNaN = bvec2(isNaN.x || isUndefined(${g}).x, isNaN.y || isUndefined(${g}).y);`).join("\n")}
      ${all.map((g) => `size += abs(${g});`).join("\n")}
      vec2 sign2 = mix(vec2(1.), vec2(2.), isNaN);
      bvec2 isUnused = equal(size, vec2(0.));
      ${input.valid === null ? "" : "bvec2 isValid = greaterThan(getValid(coords.x).xy, vec2(.5));"}
      ${input.valid === null ? "" : "isUnused = bvec2(isUnused.x || !isValid.x, isUnused.y || !isValid.y);"}
      sign2 = mix(sign2, vec2(0.), isUnused);
      // p_j = exp(x_j) share; ∂r/∂z_j = exp(x_j) / S.
      vec2 total = others + own;
      vec2 share = fall / total;
      // Through the entropy, g p_j (nll_j − e), in which the difference is exact enough at confident rows' h.
      vec2 B = -g_e * share;
      vec2 A = (g_s + g_n) * share + (g_e * share) * (s + top - e);
      A += mix(g_r / max(sum, 1e-30), vec2(0.), lessThanEqual(sum, vec2(0.)));
      vec2 p = own / total;
      vec2 T = (g_s + g_e * (s - max(t, -88.) - e)) * p - g_n * others / total + g_t;
      ${crossEntropies.length === 0 ? "vec2 U = vec2(0.);" : throughCrossEntropies(throughWeights, labelled)}
      ${pairs
        .map(
          ([first, second], i) =>
            `if (coords.y == ${2 * i}) setOutput(vec4(${lane(first, "x")}, ${lane(second, "x")}, ${lane(first, "y")}, ${lane(second, "y")}));`,
        )
        .join("\n")}
    }`,
    [rows, columns],
  );
  stack?.dispose();
  return coefficients as tf.Tensor2D;
}

/**
 * Through a cross entropy, g (W p_j − w_j), and g (W_o − W (1 − p_h)) at the highest entry h, with W the sum of all weights
 * and W_o that of the others: they keep their digits where the weights and p are all but one-hot.
 */
function throughCrossEntropies(throughWeights: readonly string[], labelled: boolean): string {
  return `
      vec4 highest = getState(coords.x, 4);
      vec2 unlikely = highest.yw / (1. + highest.yw);
      vec2 toAll = vec2(0.);
      vec2 toHighest = vec2(0.);
      ${throughWeights.join("\n")}
      vec2 U = toHighest + ${labelled ? "mix(A, T, greaterThanEqual(a, vec2(0.)))" : "A"};
      A += toAll * share;
      T += toAll * p;`;
}

function lane(pair: string, which: "x" | "y"): string {
  return `${pair}.${which}`;
}
