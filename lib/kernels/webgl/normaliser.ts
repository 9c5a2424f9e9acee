/**
 * The highest entry of each row and the sum of the exponentials relative to it: the first pass over the logits.
 *
 * A set of entries is described by its highest level h and by o, the sum of the exponentials relative to h without one
 * entry at h itself, so that a small o keeps its digits; −1 where there is no entry.
 */
import type * as tf from "@tensorflow/tfjs";
import type { ViewInput } from "../rowStatistics.ts";
import type { WideView } from "../views.ts";
import { hasHighest, highestOfChunk, whichChunk, writeHighest } from "./highest.ts";
import { isAt, labelEntry, labelPositions } from "./positions.ts";
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
 * [N, 4] or [N, 6]: for each row
 * - h, the reference of its exponentials
 * - S, the sum of the exponentials of the others: all but the label's entry or, without labels, all but one at h. −1 in a
 *   row that has no statistics: one with NaN or ∞, or with no entry above −∞
 * - a, the label's entry relative to h, or 0
 * - s, the logsumexp relative to the maximum
 * - in views that have a highest entry, its column; and R, the sum of the exponentials of all others relative to it
 */
export function normaliserOf(
  view: ViewInput,
  source: tf.Tensor2D,
  labels: tf.Tensor1D | null,
  anchor: tf.Tensor2D | null,
): tf.Tensor2D {
  const partial = partialNormaliser(view, source, labels, anchor);
  const [rows, classes] = source.shape;
  const chunks = chunksOf(classes);
  const findsHighest = hasHighest(view);
  const inputs = new Inputs();
  inputs.tensor("partial", partial);
  const declared = viewSource("view", view, source, inputs, anchor);
  const state = inputs.run(
    `${declared}
    ${labels === null ? "" : labelEntry(labels, classes, inputs)}
    ${findsHighest && labels !== null ? labelPositions() : ""}
    ${findsHighest ? highestOfChunk(chunks, classes, labels !== null) : ""}
    void main() {
      ivec2 coords = getOutputCoords();
      vec4 h = vec4(LOWEST);
      vec2 highest = vec2(LOWEST);
      vec2 chunkOfHighest = vec2(0.);
      for (int chunk = 0; chunk < ${chunks.count}; chunk++) {
        vec4 pairs = getPartial(coords.x, 2 * chunk);
        h = max(h, pairs.xxzz);
        ${findsHighest ? whichChunk : ""}
      }
      vec4 top = vec4(-1.);
      vec4 sum4 = vec4(0.);
      ${overPartials(
        chunks,
        "vec4 blockSum = vec4(0.);",
        `vec4 pairs = getPartial(coords.x, 2 * chunk);
        vec4 ofChunk = pairs.yyww;
        bvec4 isTop = equal(pairs.xxzz, h);
        top += vec4(isTop);
        blockSum += mix(viewPower(viewRelative2(pairs.xxzz, h), vec4(0.)) * (1. + ofChunk), ofChunk, isTop);`,
        "sum4 += blockSum;",
      )}
      vec4 o = top + sum4;
      bvec4 isNone = lessThanEqual(h, vec4(LOWEST));
      bvec2 isBad = greaterThan(h.xz, vec2(UPPER));
      ${labels === null ? withoutLabel : withLabel}
      vec2 s = mix(log1p(rest), vec2(NAN), isBad);
      h = mix(h, vec4(0.), isBad.xxyy);
      sum = mix(sum, vec2(-1.), isBad);
      a = mix(a, vec2(0.), isBad);
      if (coords.y == 0) setOutput(vec4(h.x, sum.x, h.z, sum.y));
      else if (coords.y == 2) setOutput(vec4(a.x, s.x, a.y, s.y));
      ${findsHighest ? writeHighest(labels !== null) : ""}
    }`,
    [rows, findsHighest ? 6 : 4],
  );
  partial.dispose();
  return state as tf.Tensor2D;
}

const withoutLabel = `
  isBad = bvec2(isBad.x || isNone.x, isBad.y || isNone.z);
  vec2 sum = o.xz;
  vec2 rest = sum;
  vec2 a = vec2(0.);`;

/** Where there are no others, the label's entry is the reference; above h, it is what the others are relative to. */
const withLabel = `
  vec4 label = labelLevel(coords.x).xxyy;
  Two relative = viewRelative2(label, h);
  vec4 entry = max(relative.x, vec4(LOWEST));
  entry = mix(entry, vec4(LOWEST), lessThanEqual(label, vec4(LOWEST)));
  vec2 a = mix(entry, vec4(0.), isNone).xz;
  vec2 sum = mix(o + 1., vec4(0.), isNone).xz;
  vec4 ofLabel = relative.y + labelRest(coords.x).xxyy;
  vec2 fall = preciseExp(-max(a, 0.));
  fall -= mix(fall * ofLabel.xz, vec2(0.), greaterThan(abs(a), vec2(87.)));
  vec2 rest = mix(o.xz + preciseExp(min(a, 0.)), sum * fall, greaterThanEqual(a, vec2(0.)));
  h = mix(h, label, isNone);
  isBad.x = isBad.x || label.x > UPPER || h.x <= LOWEST;
  isBad.y = isBad.y || label.z > UPPER || h.z <= LOWEST;`;

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
    ${labels === null ? "" : labelPositions()}
    void main() {
      ivec2 coords = getOutputCoords();
      ${labels === null ? "" : "ivec4 label = labelsOf(coords.x);"}
      vec4 anchor = viewAnchor(coords.x);
      vec4 h = vec4(LOWEST);
      {
        ${overChunk(
          chunks,
          `for (int texel = blockStart; texel < blockEnd; texel++) {
            ${othersAt(classes, labels !== null)}
            h = max(h, level);
          }`,
        )}
      }
      h = max(h, h.yxwz);
      // One entry at the highest level is left out.
      vec4 top = vec4(-1., 0., -1., 0.);
      vec4 sum = vec4(0.);
      {
        ${overChunk(
          chunks,
          `vec4 blockSum = vec4(0.);
          for (int texel = blockStart; texel < blockEnd; texel++) {
            ${othersAt(classes, labels !== null)}
            bvec4 isTop = equal(level, h);
            top += mix(vec4(0.), 1. + entry.y, isTop);
            blockSum += mix(viewPower(viewRelative2(level, h), entry.y), vec4(0.), isTop);
          }
          sum += blockSum;`,
        )}
      }
      vec4 o = top + top.yxwz + (sum + sum.yxwz);
      o = mix(o, vec4(-1.), lessThanEqual(h, vec4(LOWEST)));
      setOutput(vec4(h.x, o.x, h.z, o.z));
    }`,
    [rows, 2 * chunks.count],
  );
}

/** The levels of a texel, without the label's entry. */
function othersAt(classes: number, labelled: boolean): string {
  return `
  Two entry = viewLevel2(coords.x, 2 * texel, anchor);
  vec4 level = entry.x;
  ${labelled ? `level = mix(level, vec4(LOWEST), ${isAt("2 * texel", "label")});` : ""}
  ${withinRow(classes, "2 * texel", "level", "LOWEST")}`;
}
