/** Sums over the entries of a row that take its reference for known: e and dots. Two share a pass over the logits. */
import * as tf from "@tensorflow/tfjs";
import { type Dot, labelsOf, type ViewInput, type WideInput } from "../rowStatistics.ts";
import { entriesAt, isAt, labelPositions } from "./positions.ts";
import { chunksOf, Inputs, overChunk, overPartials, withinRow } from "./program.ts";
import { stateSource, writeRows } from "./statistics.ts";
import { viewSource } from "./view.ts";
import { type KnownView, WeightSources } from "./weights.ts";

/** Of a dot the sum itself, or that of the weights of all entries but the highest. */
type RowSum = { readonly kind: "entropy" } | { readonly kind: "dot" | "others"; readonly dot: Dot; readonly k: number };

/** What −log p counts for where p = 0, for any weight; a sum beyond a limit that finite entries cannot reach is infinite. */
const far = "1e30";
const limit = "1e25";

export interface RowSums {
  /** [N] each. */
  readonly e: tf.Tensor1D | null;
  readonly dots: readonly tf.Tensor1D[];
  /** [N, 2 · cross entropies]: the sum of the weights of all entries but the highest, and the weight of that. */
  readonly weights: tf.Tensor2D | null;
}

/** The sums of a view; the two of a cross entropy, which read the same weights, share a pass. */
function sumsOf({ wanted, dots }: ViewInput): readonly RowSum[] {
  const all = dots.map((dot, k) => ({ kind: "dot", dot, k }) as const);
  return [
    ...all.filter(({ dot }) => dot.times === "nll").flatMap((sum) => [sum, { ...sum, kind: "others" } as const]),
    ...(wanted.has("e") ? [{ kind: "entropy" } as const] : []),
    ...all.filter(({ dot }) => dot.times !== "nll"),
  ];
}

export function countOfSums(view: ViewInput): number {
  return sumsOf(view).length;
}

export function rowSumsOf(input: WideInput, index: number, known: readonly KnownView[]): RowSums {
  const sums = sumsOf(input.views[index]);
  const dots: tf.Tensor1D[] = [];
  const weights: tf.Tensor2D[] = [];
  let e: tf.Tensor1D | null = null;
  for (let from = 0; from < sums.length; from += 2) {
    const pair = sums.slice(from, from + 2);
    const partial = partialSums(input, index, known, pair);
    for (const [position, sum] of pair.entries()) {
      const reading: Reading = { input, index, known, partial, position };
      if (sum.kind === "entropy") e = total(reading, entropy(labelsOf(input, input.views[index]) !== null));
      else if (sum.kind === "dot") dots[sum.k] = total(reading, dotOf);
      else weights.push(totalOfWeights(reading, sum.dot));
    }
    partial.dispose();
  }
  return { e, dots, weights: joined(weights) };
}

/** One tensor, since programs read few. */
function joined(columns: readonly tf.Tensor2D[]): tf.Tensor2D | null {
  if (columns.length < 2) return columns[0] ?? null;
  const all = tf.concat([...columns], 1);
  tf.dispose([...columns]);
  return all;
}

/** [N, 2 · chunks]: two sums over each chunk. */
function partialSums(input: WideInput, index: number, known: readonly KnownView[], sums: readonly RowSum[]): tf.Tensor {
  const view = input.views[index];
  const { source, state, anchor } = known[index];
  const [rows, classes] = source.shape;
  const chunks = chunksOf(classes);
  const inputs = new Inputs();
  inputs.tensor("state", state);
  const dots = sums.flatMap((sum) => (sum.kind === "entropy" ? [] : [sum.dot]));
  const weights = new WeightSources(input, dots, known, inputs);
  const labels = labelsOf(input, view);
  if (labels !== null) inputs.tensor("labels", labels);
  const terms = sums.map((sum, i) => {
    const term = termOf(sum, weights, labels !== null);
    return `{ ${term} ${withinRow(classes, "column", "term", "0.")} blockSum${i} += term; }`;
  });
  const lanes = (i: number): string => (i < sums.length ? `sum${i}.x + sum${i}.y` : "0.");
  const lowerLanes = (i: number): string => (i < sums.length ? `sum${i}.z + sum${i}.w` : "0.");
  const each = (code: (i: number) => string): string => sums.map((_, i) => code(i)).join("\n");
  return inputs.run(
    `${viewSource("view", view, source, inputs, anchor)}
    ${stateSource(view)}
    ${weights.declarations}
    ${labels === null ? "" : labelPositions()}
    void main() {
      ivec2 coords = getOutputCoords();
      readState(coords.x);
      vec4 anchor = viewAnchor(coords.x);
      vec4 reference = h.xxyy;
      vec4 maximum = top.xxyy;
      vec4 logsumexp = (s + top).xxyy;
      ${labels === null ? "" : "ivec4 label = labelsOf(coords.x); vec4 nllOfLabel = (s - t).xxyy;"}
      ${sums.some(({ kind }) => kind === "others") ? "ivec4 highest = ivec4(getState(coords.x, 4).xxzz + .5);" : ""}
      ${each((i) => `vec4 sum${i} = vec4(0.);`)}
      ${overChunk(
        chunks,
        `${each((i) => `vec4 blockSum${i} = vec4(0.);`)}
        for (int texel = blockStart; texel < blockEnd; texel++) {
          int column = 2 * texel;
          Two entry = viewLevel2(coords.x, column, anchor);
          vec4 level = entry.x;
          bvec4 isNone = lessThanEqual(level, vec4(LOWEST));
          Two relative = viewRelative2(level, reference);
          vec4 x = relative.x;
          vec4 nll = logsumexp - x;
          ${labels === null ? "" : `bvec4 isLabel = ${isAt("column", "label")}; nll = mix(nll, nllOfLabel, isLabel);`}
          ${weights.atTexel("coords.x", "column")}
          ${terms.join("\n")}
        }
        ${each((i) => `sum${i} += blockSum${i};`)}`,
      )}
      setOutput(vec4(${lanes(0)}, ${lanes(1)}, ${lowerLanes(0)}, ${lowerLanes(1)}));
    }`,
    [rows, 2 * chunks.count],
  );
}

/** Declares what the entries of a texel add to a sum. */
function termOf(sum: RowSum, weights: WeightSources, labelled: boolean): string {
  if (sum.kind === "entropy") {
    const excluded = labelled ? "term = mix(term, vec4(0.), isLabel);" : "";
    return `vec4 term = viewPower(relative, entry.y) * min(nll, ${far}); ${excluded}`;
  }
  const weight = `vec4 weight = ${weights.of(sum.dot) ?? "vec4(1.)"};`;
  if (sum.kind === "others") return `${weight} vec4 term = mix(weight, vec4(0.), ${isAt("column", "highest")});`;
  // A weight of NaN stays what it is.
  const infinite = `${far} * sign(weight) + weight`;
  switch (sum.dot.times) {
    case "nothing":
      return `${weight} vec4 term = weight;`;
    case "nll":
      return `${weight} vec4 term = mix(weight * nll, ${infinite}, isNone);`;
    case "logits":
      return `${weight} vec4 term = mix(weight * (x - maximum), -(${infinite}), isNone);`;
  }
}

/** The chunks' sums at a position. */
interface Reading {
  readonly input: WideInput;
  readonly index: number;
  readonly known: readonly KnownView[];
  readonly partial: tf.Tensor;
  readonly position: number;
}

function declareInputs({ known, index, partial }: Reading): Inputs {
  const inputs = new Inputs();
  inputs.tensor("state", known[index].state);
  inputs.tensor("partial", partial);
  return inputs;
}

/** Adds up the chunks' sums of the rows at `row` in `all`. */
function addUp({ known, index, position }: Reading): string {
  const [, classes] = known[index].source.shape;
  return `
    vec2 all = vec2(0.);
    ${overPartials(
      chunksOf(classes),
      "vec2 blockSum = vec2(0.);",
      `blockSum += getPartial(row, 2 * chunk).${position === 0 ? "xz" : "yw"};`,
      "all += blockSum;",
    )}`;
}

/** [N]: the sum, finished. */
function total(reading: Reading, finish: string): tf.Tensor1D {
  const [rows] = reading.known[reading.index].source.shape;
  const inputs = declareInputs(reading);
  const write = writeRows("finished", rows, reading.input.valid?.tensor ?? null, inputs);
  return inputs.run(
    `${stateSource(reading.input.views[reading.index])}
    void main() {
      int row = getOutputCoords();
      readState(row);
      ${addUp(reading)}
      ${finish}
      ${write}
    }`,
    [rows],
  ) as tf.Tensor1D;
}

/** Σ_j p_j nll_j, of the others and the label's entry: nothing in it cancels. */
function entropy(labelled: boolean): string {
  const ofLabel = labelled ? "own * (s - max(t, -88.))" : "0.";
  return `vec2 finished = (fall * all + ${ofLabel}) / (others + own);`;
}

const dotOf = `
  vec2 finished = mix(all, vec2(infinity()), greaterThan(all, vec2(${limit})));
  finished = mix(finished, vec2(-infinity()), lessThan(all, vec2(-${limit})));`;

/** [N, 2]: the sum of the weights of all entries but the highest, and the weight of that. */
function totalOfWeights(reading: Reading, dot: Dot): tf.Tensor2D {
  const [rows] = reading.known[reading.index].source.shape;
  const inputs = declareInputs(reading);
  const weights = new WeightSources(reading.input, [dot], reading.known, inputs);
  const weight = weights.of(dot);
  return inputs.run(
    `${weights.declarations}
    vec4 weightsOf(int row, int column) {
      ${weights.atTexel("row", "column")}
      return ${weight};
    }
    ${entriesAt("weightsAt", "weightsOf")}
    void main() {
      int row = getOutputCoords().x;
      ${addUp(reading)}
      vec2 ofHighest = weightsAt(row, ivec2(getState(row, 4).xz + .5));
      setOutput(vec4(all.x, ofHighest.x, all.y, ofHighest.y));
    }`,
    [rows, 2],
  ) as tf.Tensor2D;
}
