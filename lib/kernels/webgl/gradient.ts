/**
 * The gradient of the logits: each entry of it is written once, from the logits' entry, a few numbers of its row and the
 * weights of dots.
 */
import * as tf from "@tensorflow/tfjs";
import type { RowCotangents, RowStatistics, WideInput } from "../rowStatistics.ts";
import { isLabel, labelPositions } from "./normaliser.ts";
import { Inputs, samplerOf, withinRow } from "./program.ts";
import { stateSource } from "./statistics.ts";
import { viewSource } from "./view.ts";
import { type KnownView, viewName, WeightSources } from "./weights.ts";

/** A view with cotangents. */
export interface ViewGradient {
  readonly index: number;
  readonly statistics: RowStatistics;
  readonly cotangents: RowCotangents;
}

type CotangentName = "s" | "n" | "t" | "r" | "e";
const names: readonly CotangentName[] = ["s", "n", "t", "r", "e"];

/** The dots of a view through which a gradient goes. */
function dotsWithGradient(input: WideInput, { index, cotangents }: ViewGradient): readonly number[] {
  return input.views[index].dots.flatMap(({ times }, k) => {
    return times === "nothing" || cotangents.dots[k] === null ? [] : [k];
  });
}

/** Where the cotangents of dots begin among the columns of coefficients. */
const firstDot = 6;

/**
 * [N, 6 + dots]: with x_j the entry relative to h, the gradient of z'_j is exp(x_j) (A + B x_j), and T at the label, and
 * what the dots add. The columns are h, A, B, T, a sign that is 0 in rows without gradient and 2 in those where it is
 * NaN, 0, and the cotangents of the dots.
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
  const columns = firstDot + dots.length;
  const all = [...names.map((name) => `g_${name}`), ...dotNames];
  const pairs: (readonly [string, string])[] = [
    ["h", "A"],
    ["B", "T"],
    ["sign2", "vec2(0.)"],
  ];
  for (let i = 0; i < dots.length; i += 2) pairs.push([dotNames[i], dotNames[i + 1] ?? "vec2(0.)"]);
  const coefficients = inputs.run(
    `${stateSource}
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
      vec2 B = g_e * share;
      vec2 A = (g_s + g_n) * share + B * (1. - top - e);
      A += mix(g_r / max(sum, 1e-30), vec2(0.), lessThanEqual(sum, vec2(0.)));
      vec2 p = own / total;
      vec2 T = (g_s + g_e * (1. + max(t, -88.) - e)) * p - g_n * others / total + g_t;
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

function lane(pair: string, which: "x" | "y"): string {
  return `${pair}.${which}`;
}

/** [N, V], by one program; by one for each view, and their sum, where one would read more tensors than it can. */
export function gradientOf(input: WideInput, known: readonly KnownView[], views: readonly ViewGradient[]): tf.Tensor2D {
  const together = gradientByOne(input, known, views);
  if (together !== null) return together;
  return tf.tidy(() => tf.addN(views.map((view) => gradientByOne(input, known, [view]) as tf.Tensor2D)));
}

/** Null where the program would read too many tensors; a single view's never does. */
function gradientByOne(
  input: WideInput,
  known: readonly KnownView[],
  views: readonly ViewGradient[],
): tf.Tensor2D | null {
  const [rows, classes] = known[views[0].index].source.shape;
  const inputs = new Inputs();
  const { labels } = input;
  if (labels !== null) inputs.tensor("labels", labels);
  const dotsOf = views.map((view) => dotsWithGradient(input, view).map((k) => input.views[view.index].dots[k]));
  const weights = new WeightSources(input, dotsOf.flat(), known, inputs);
  const coefficients = views.map((view) => coefficientsOf(input, known[view.index], view));
  const declarations = views.map(({ index }, i) => {
    const { source, anchor } = known[index];
    inputs.tensor(`coefficients${i}`, coefficients[i]);
    return viewSource(viewName(i), input.views[index], source, inputs, anchor);
  });
  const parts = views.map((_, i) => {
    const name = viewName(i);
    const sample = samplerOf(`coefficients${i}`);
    const dots = dotsOf[i].map((dot, position) => {
      const weight = weights.of(dot);
      const column = firstDot + position;
      const g = `${sample}(row, ${column - (position % 2)}).${position % 2 === 0 ? "xxzz" : "yyww"}`;
      // A row without weight has no gradient, whatever it is weighed by.
      return `part += ${weight === null ? g : `mix(${g} * ${weight}, vec4(0.), equal(${g}, vec4(0.)))`};`;
    });
    return `{
      vec4 first = ${sample}(row, 0);
      vec4 second = ${sample}(row, 2);
      vec4 sign4 = ${sample}(row, 4).xxzz;
      vec4 x = ${name}Relative(${name}Level(row, column, ${name}Anchor(row)), first.xxzz);
      vec4 part = exponential(x) * (first.yyww + second.xxzz * max(x, -88.));
      ${labels === null ? "" : "part = mix(part, second.yyww, isLabel);"}
      ${dots.join("\n")}
      part = mix(part * ${name}Slope(row, column), vec4(NAN), greaterThan(sign4, vec4(1.5)));
      gradient += mix(part, vec4(0.), lessThan(sign4, vec4(.5)));
    }`;
  });
  const source = `${declarations.join("\n")}
    ${weights.declarations}
    ${labels === null ? "" : labelPositions}
    void main() {
      ivec2 coords = getOutputCoords();
      int row = coords.x;
      int column = coords.y;
      ${labels === null ? "" : `ivec4 label = labelsOf(row); bvec4 isLabel = ${isLabel("column")};`}
      ${weights.atTexel("row", "column")}
      vec4 gradient = vec4(0.);
      ${parts.join("\n")}
      // What lies beyond the last row and column must be 0: other ops read it.
      ${rows % 2 === 0 ? "" : `if (row == ${rows - 1}) gradient.zw = vec2(0.);`}
      ${withinRow(classes, "column", "gradient", "0.")}
      setOutput(gradient);
    }`;
  const gradient = inputs.fits ? inputs.run(source, [rows, classes]) : null;
  weights.dispose();
  for (const tensor of coefficients) tensor.dispose();
  return gradient as tf.Tensor2D | null;
}
