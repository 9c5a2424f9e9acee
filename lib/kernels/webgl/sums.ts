/** Sums over the entries of a row that take its reference for known: e and dots. Two share a pass over the logits. */
import type * as tf from "@tensorflow/tfjs";
import type { Dot, WideInput } from "../rowStatistics.ts";
import { isLabel, labelPositions } from "./normaliser.ts";
import { chunksOf, Inputs, overChunk, overPartials, withinRow } from "./program.ts";
import { stateSource, writeRows } from "./statistics.ts";
import { viewSource } from "./view.ts";
import { type KnownView, WeightSources } from "./weights.ts";

/** Stands for e among the sums. */
export const expectation = "e";
export type RowSum = typeof expectation | Dot;

/** Stands for −∞ times a weight; a sum beyond a limit that finite entries cannot reach is infinite. */
const farBelow = "-1e36";
const limit = "1e25";

/** The sums of a view, [N] each. */
export function rowSumsOf(
  input: WideInput,
  index: number,
  known: readonly KnownView[],
  sums: readonly RowSum[],
): readonly tf.Tensor1D[] {
  const results: tf.Tensor1D[] = [];
  for (let from = 0; from < sums.length; from += 2) {
    const pair = sums.slice(from, from + 2);
    const partial = partialSums(input, index, known, pair);
    results.push(...pair.map((sum, position) => total(input, known[index], partial, sum, position)));
    partial.dispose();
  }
  return results;
}

/** [N, 2 · chunks]: two sums over each chunk. */
function partialSums(input: WideInput, index: number, known: readonly KnownView[], sums: readonly RowSum[]): tf.Tensor {
  const { source, state, anchor } = known[index];
  const [rows, classes] = source.shape;
  const chunks = chunksOf(classes);
  const inputs = new Inputs();
  inputs.tensor("state", state);
  const dots = sums.filter((sum) => sum !== expectation);
  const weights = new WeightSources(input, dots, known, inputs);
  const hasExpectation = sums.includes(expectation) && input.labels !== null;
  if (hasExpectation) inputs.tensor("labels", input.labels as tf.Tensor1D);
  const terms = sums.map((sum, i) => {
    if (sum === expectation) {
      const excluded = hasExpectation ? `term = mix(term, vec4(0.), ${isLabel("column")});` : "";
      return `term = exponential(x) * max(x, -88.); ${excluded} ${withinRow(classes, "column", "term", "0.")}
        blockSum${i} += term;`;
    }
    const weight = weights.of(sum) ?? "vec4(1.)";
    const entry =
      sum.times === "nothing"
        ? `term = ${weight};`
        : `vec4 weight${i} = ${weight};
        term = mix(weight${i} * relative, vec4(0.), equal(weight${i}, vec4(0.)));`;
    return `${entry} ${withinRow(classes, "column", "term", "0.")} blockSum${i} += term;`;
  });
  const lanes = (i: number): string => (i < sums.length ? `sum${i}.x + sum${i}.y` : "0.");
  const lowerLanes = (i: number): string => (i < sums.length ? `sum${i}.z + sum${i}.w` : "0.");
  const each = (code: (i: number) => string): string => sums.map((_, i) => code(i)).join("\n");
  return inputs.run(
    `${viewSource("view", input.views[index], source, inputs, anchor)}
    ${weights.declarations}
    ${hasExpectation ? labelPositions : ""}
    void main() {
      ivec2 coords = getOutputCoords();
      ${hasExpectation ? "ivec4 label = labelsOf(coords.x);" : ""}
      vec4 anchor = viewAnchor(coords.x);
      vec4 h = getState(coords.x, 0).xxzz;
      vec4 top = max(getState(coords.x, 2).xxzz, 0.);
      ${each((i) => `vec4 sum${i} = vec4(0.);`)}
      ${overChunk(
        chunks,
        `${each((i) => `vec4 blockSum${i} = vec4(0.);`)}
        for (int texel = blockStart; texel < blockEnd; texel++) {
          int column = 2 * texel;
          vec4 level = viewLevel(coords.x, column, anchor);
          vec4 x = viewRelative(level, h);
          vec4 relative = mix(x - top, vec4(${farBelow}), lessThanEqual(level, vec4(LOWEST)));
          ${weights.atTexel("coords.x", "column")}
          vec4 term;
          ${terms.join("\n")}
        }
        ${each((i) => `sum${i} += blockSum${i};`)}`,
      )}
      setOutput(vec4(${lanes(0)}, ${lanes(1)}, ${lowerLanes(0)}, ${lowerLanes(1)}));
    }`,
    [rows, 2 * chunks.count],
  );
}

/** Adds up the chunks' sums, and finishes them. */
function total(input: WideInput, view: KnownView, partial: tf.Tensor, sum: RowSum, position: number): tf.Tensor1D {
  const [rows, classes] = view.source.shape;
  const inputs = new Inputs();
  inputs.tensor("state", view.state);
  inputs.tensor("partial", partial);
  const lanes = position === 0 ? "xz" : "yw";
  const write = writeRows("finished", rows, input.valid?.tensor ?? null, inputs);
  return inputs.run(
    `${stateSource}
    void main() {
      int row = getOutputCoords();
      readState(row);
      vec2 all = vec2(0.);
      ${overPartials(
        chunksOf(classes),
        "vec2 blockSum = vec2(0.);",
        `blockSum += getPartial(row, 2 * chunk).${lanes};`,
        "all += blockSum;",
      )}
      ${sum === expectation ? expectationOf : dotOf}
      ${write}
    }`,
    [rows],
  ) as tf.Tensor1D;
}

/** Σ_j p_j (x_j − m′), of the others and the label's entry. */
const expectationOf = `
  vec2 finished = (fall * (all - top * sum) + own * max(t, -88.)) / (others + own);`;

const dotOf = `
  vec2 finished = mix(all, vec2(infinity()), greaterThan(all, vec2(${limit})));
  finished = mix(finished, vec2(-infinity()), lessThan(all, vec2(-${limit})));`;
