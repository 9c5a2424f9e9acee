/**
 * The gradient of the logits: each entry of it is written once, from the logits' entry, a few numbers of its row and the
 * weights of dots.
 */
import * as tf from "@tensorflow/tfjs";
import { labelsOf, type WideInput } from "../rowStatistics.ts";
import { coefficientsOf, crossEntropiesOf, dotsWithGradient, firstDot, type ViewGradient } from "./coefficients.ts";
import { isAt, labelPositions } from "./positions.ts";
import { Inputs, samplerOf, withinRow } from "./program.ts";
import { viewSource } from "./view.ts";
import { type KnownView, viewName, WeightSources } from "./weights.ts";

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
  const labels = views.map(({ index }) => labelsOf(input, input.views[index]));
  const sets = [...new Set(labels)].filter((tensor) => tensor !== null);
  sets.forEach((tensor, set) => {
    inputs.tensor(`labels${set}`, tensor);
  });
  const dotsOf = views.map((view) => dotsWithGradient(input, view).map((k) => input.views[view.index].dots[k]));
  const weights = new WeightSources(input, dotsOf.flat(), known, inputs);
  const coefficients = views.map((view) => coefficientsOf(input, known[view.index], view));
  const declarations = views.map(({ index }, i) => {
    const { source, anchor } = known[index];
    inputs.tensor(`coefficients${i}`, coefficients[i]);
    return viewSource(viewName(i), input.views[index], source, inputs, anchor);
  });
  const parts = views.map((view, i) => {
    const own = labels[i];
    const hasCrossEntropy = crossEntropiesOf(input, view).length > 0;
    const name = viewName(i);
    const sample = samplerOf(`coefficients${i}`);
    const dots = dotsOf[i].map((dot, position) => {
      const weight = weights.of(dot);
      const column = firstDot + position;
      const g = `${sample}(row, ${column - (position % 2)}).${position % 2 === 0 ? "xxzz" : "yyww"}`;
      // A row without weight has no gradient, whatever it is weighed by.
      const reached = weight === null ? g : `mix(${g} * ${weight}, vec4(0.), equal(${g}, vec4(0.)))`;
      return dot.times === "nll" ? `part -= mix(${reached}, vec4(0.), isHighest);` : `part += ${reached};`;
    });
    return `{
      vec4 first = ${sample}(row, 0);
      vec4 second = ${sample}(row, 2);
      vec4 third = ${sample}(row, 4);
      vec4 sign4 = third.xxzz;
      vec4 anchor = ${name}Anchor(row);
      Two entry = ${name}Level2(row, column, anchor);
      Two relative = ${name}Relative2(entry.x, first.xxzz);
      vec4 x = relative.x;
      vec4 part = ${name}Power(relative, entry.y) * (first.yyww + second.xxzz * max(x, -88.));
      ${own === null ? "" : `part = mix(part, second.yyww, isLabel${sets.indexOf(own)});`}
      ${hasCrossEntropy ? atHighest(sample) : ""}
      ${dots.join("\n")}
      part = mix(part * ${name}Slope(row, column), vec4(NAN), greaterThan(sign4, vec4(1.5)));
      gradient += mix(part, vec4(0.), lessThan(sign4, vec4(.5)));
    }`;
  });
  const source = `${declarations.join("\n")}
    ${weights.declarations}
    ${sets.map((_, set) => labelPositions(`labels${set}`)).join("\n")}
    void main() {
      ivec2 coords = getOutputCoords();
      int row = coords.x;
      int column = coords.y;
      ${sets.map((_, set) => `bvec4 isLabel${set} = ${isAt("column", `labels${set}Of(row)`)};`).join("\n")}
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

function atHighest(sample: string): string {
  return `
      ivec4 highest = ivec4(third.yyww + .5);
      bvec4 isHighest = ${isAt("column", "highest")};
      part = mix(part, ${sample}(row, 6).xxzz, isHighest);`;
}
