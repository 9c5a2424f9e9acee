/**
 * The highest entry of each row and the sum of the exponentials relative to it: the first pass over the logits.
 *
 * A set of entries is described by its highest level h and by o, the sum of the exponentials relative to h without one
 * entry at h itself, so that a small o keeps its digits; −1 where there is no entry. Such pairs are merged in any order.
 */
import type * as tf from "@tensorflow/tfjs";
import type { WideView } from "../views.ts";
import { chunksOf, Inputs, overChunk, overPartials, samplerOf, withinRow } from "./program.ts";
import { hasAnchor, viewSource } from "./view.ts";

/**
 * [N, 2]: in the first column the logit of the entry of each row that the view shows highest, near enough, and 0 where
 * there is none; null where a view needs no anchor.
 */
export function anchorOf(view: WideView, source: tf.Tensor2D): tf.Tensor2D | null {
  if (!hasAnchor(view)) return null;
  const [rows, classes] = source.shape;
  const chunks = chunksOf(classes);
  const inputs = new Inputs();
  const partial = inputs.run(
    `${viewSource("view", view, source, inputs, null)}
    void main() {
      ivec2 coords = getOutputCoords();
      vec4 highest = vec4(LOWEST);
      vec4 logit = vec4(0.);
      ${overChunk(
        chunks,
        `for (int texel = blockStart; texel < blockEnd; texel++) {
          vec4 z = withoutInfinities(${samplerOf(view.of)}(coords.x, 2 * texel));
          vec4 level = viewLevel(coords.x, 2 * texel, vec4(0.));
          level = mix(level, vec4(LOWEST), greaterThan(abs(z), vec4(UPPER)));
          level = mix(level, vec4(LOWEST), greaterThan(level, vec4(UPPER)));
          ${withinRow(classes, "2 * texel", "level", "LOWEST")}
          bvec4 isHigher = greaterThan(level, highest);
          highest = mix(highest, level, isHigher);
          logit = mix(logit, z, isHigher);
        }`,
      )}
      bvec4 isSecond = greaterThan(highest.yxwz, highest);
      highest = mix(highest, highest.yxwz, isSecond);
      logit = mix(logit, logit.yxwz, isSecond);
      setOutput(vec4(highest.x, logit.x, highest.z, logit.z));
    }`,
    [rows, 2 * chunks.count],
  );
  const fold = new Inputs();
  fold.tensor("partial", partial);
  const anchor = fold.run(
    `void main() {
      ivec2 coords = getOutputCoords();
      vec2 highest = vec2(LOWEST);
      vec2 logit = vec2(0.);
      ${overPartials(
        chunks,
        "",
        `vec4 pairs = getPartial(coords.x, 2 * chunk);
        bvec2 isHigher = greaterThan(pairs.xz, highest);
        highest = mix(highest, pairs.xz, isHigher);
        logit = mix(logit, pairs.yw, isHigher);`,
        "",
      )}
      setOutput(vec4(logit.x, 0., logit.y, 0.));
    }`,
    [rows, 2],
  );
  partial.dispose();
  return anchor as tf.Tensor2D;
}

/**
 * [N, 4]: for each row
 * - h, the reference of its exponentials
 * - S, the sum of the exponentials of the others: all but the label's entry or, without labels, all but one at h. −1 in a
 *   row that has no statistics: one with NaN or ∞, or with no entry above −∞
 * - a, the label's entry relative to h, or 0
 * - log(S + exp(a))
 */
export function normaliserOf(
  view: WideView,
  source: tf.Tensor2D,
  labels: tf.Tensor1D | null,
  anchor: tf.Tensor2D | null,
): tf.Tensor2D {
  const partial = partialNormaliser(view, source, labels, anchor);
  const [rows, classes] = source.shape;
  const inputs = new Inputs();
  inputs.tensor("partial", partial);
  const declared = viewSource("view", view, source, inputs, anchor);
  const state = inputs.run(
    `${declared}
    ${merge}
    ${labels === null ? "" : labelEntry(labels, classes, inputs)}
    void main() {
      ivec2 coords = getOutputCoords();
      vec4 h = vec4(LOWEST);
      vec4 o = vec4(-1.);
      ${overPartials(
        chunksOf(classes),
        "vec4 blockH = vec4(LOWEST); vec4 blockO = vec4(-1.);",
        "vec4 pairs = getPartial(coords.x, 2 * chunk); merge(blockH, blockO, pairs.xxzz, pairs.yyww);",
        "merge(h, o, blockH, blockO);",
      )}
      bvec4 isNone = lessThanEqual(h, vec4(LOWEST));
      bvec2 isBad = greaterThan(h.xz, vec2(UPPER));
      ${labels === null ? withoutLabel : withLabel}
      // Above h, the label's entry is what the others are relative to.
      vec2 below = log1p(sum * preciseExp(-max(a, 0.)));
      vec2 logsumexp = mix(preciseLog(sum + preciseExp(min(a, 0.))), below + a, greaterThanEqual(a, vec2(0.)));
      h = mix(h, vec4(0.), isBad.xxyy);
      sum = mix(sum, vec2(-1.), isBad);
      a = mix(a, vec2(0.), isBad);
      logsumexp = mix(logsumexp, vec2(NAN), isBad);
      if (coords.y == 0) setOutput(vec4(h.x, sum.x, h.z, sum.y));
      else setOutput(vec4(a.x, logsumexp.x, a.y, logsumexp.y));
    }`,
    [rows, 4],
  );
  partial.dispose();
  return state as tf.Tensor2D;
}

const withoutLabel = `
  isBad = bvec2(isBad.x || isNone.x, isBad.y || isNone.z);
  vec2 sum = o.xz;
  vec2 a = vec2(0.);`;

/** Where there are no others, the label's entry is the reference. */
const withLabel = `
  vec4 label = labelLevel(coords.x).xxyy;
  vec4 entry = max(viewRelative(label, h), vec4(LOWEST));
  entry = mix(entry, vec4(LOWEST), lessThanEqual(label, vec4(LOWEST)));
  vec2 a = mix(entry, vec4(0.), isNone).xz;
  vec2 sum = mix(o + 1., vec4(0.), isNone).xz;
  h = mix(h, label, isNone);
  isBad.x = isBad.x || label.x > UPPER || h.x <= LOWEST;
  isBad.y = isBad.y || label.z > UPPER || h.z <= LOWEST;`;

/** Declares labelLevel(row) for the view `view`, the levels of the labels' entries of two rows. */
export function labelEntry(labels: tf.Tensor1D, classes: number, inputs: Inputs): string {
  inputs.tensor("labels", labels);
  return `
  vec2 labelLevel(int row) {
    ivec2 label = clamp(ivec2(getLabels(row).xy + .5), 0, ${classes - 1});
    ivec2 even = (label / 2) * 2;
    vec4 anchor = viewAnchor(row);
    vec4 first = viewLevel(row, even.x, anchor);
    vec4 second = viewLevel(row, even.y, anchor);
    return vec2(label.x == even.x ? first.x : first.y, label.y == even.y ? second.z : second.w);
  }`;
}

/** Joins the entries described by (h2, o2) to those described by (h, o). */
const merge = `
  void merge(inout vec4 h, inout vec4 o, vec4 h2, vec4 o2) {
    bvec4 isHigher = greaterThan(h2, h);
    vec4 high = max(h, h2);
    vec4 low = min(h, h2);
    vec4 ofHigh = mix(o, o2, isHigher);
    vec4 ofLow = mix(o2, o, isHigher);
    o = ofHigh + exponential(viewRelative(low, high)) * (1. + ofLow);
    h = high;
  }`;

/** [N, 2 · chunks]: h and o of each chunk, without the label's entry. */
function partialNormaliser(
  view: WideView,
  source: tf.Tensor2D,
  labels: tf.Tensor1D | null,
  anchor: tf.Tensor2D | null,
): tf.Tensor {
  const [rows, classes] = source.shape;
  const chunks = chunksOf(classes);
  const inputs = new Inputs();
  if (labels !== null) inputs.tensor("labels", labels);
  return inputs.run(
    `${viewSource("view", view, source, inputs, anchor)}
    ${merge}
    ${labels === null ? "" : labelPositions}
    void main() {
      ivec2 coords = getOutputCoords();
      ${labels === null ? "" : "ivec4 label = labelsOf(coords.x);"}
      vec4 anchor = viewAnchor(coords.x);
      vec4 h = vec4(LOWEST);
      vec4 o = vec4(-1.);
      ${overChunk(
        chunks,
        `vec4 blockH = vec4(LOWEST);
        for (int texel = blockStart; texel < blockEnd; texel++) {
          ${othersAt(classes, labels !== null)}
          blockH = max(blockH, level);
        }
        // One entry at the highest level is left out.
        vec4 top = vec4(-1.);
        vec4 sum = vec4(0.);
        for (int texel = blockStart; texel < blockEnd; texel++) {
          ${othersAt(classes, labels !== null)}
          bvec4 isTop = equal(level, blockH);
          top += vec4(isTop);
          sum += mix(exponential(viewRelative(level, blockH)), vec4(0.), isTop);
        }
        sum = mix(sum + top, vec4(-1.), lessThanEqual(blockH, vec4(LOWEST)));
        merge(h, o, blockH, sum);`,
      )}
      merge(h, o, h.yxwz, o.yxwz);
      setOutput(vec4(h.x, o.x, h.z, o.z));
    }`,
    [rows, 2 * chunks.count],
  );
}

/** Declares labelsOf(row), the labels of two rows for the lanes of two columns. */
export const labelPositions = `
  ivec4 labelsOf(int row) {
    return ivec4(getLabels(row).xxyy + .5);
  }`;

/** Whether the lanes at a column are the labels'. */
export function isLabel(column: string): string {
  return `equal(ivec4(${column}, ${column} + 1, ${column}, ${column} + 1), label)`;
}

/** The levels of a texel, without the label's entry. */
function othersAt(classes: number, labelled: boolean): string {
  return `
  vec4 level = viewLevel(coords.x, 2 * texel, anchor);
  ${labelled ? `level = mix(level, vec4(LOWEST), ${isLabel("2 * texel")});` : ""}
  ${withinRow(classes, "2 * texel", "level", "LOWEST")}`;
}
