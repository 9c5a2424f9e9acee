/** Entries of two rows that programs know by their columns: the labels', and the highest. */
import type * as tf from "@tensorflow/tfjs";
import { type Inputs, samplerOf } from "./program.ts";

/** Declares `labels`Of(row), the labels of two rows for the lanes of two columns, from the input of that name. */
export function labelPositions(labels = "labels"): string {
  return `
  ivec4 ${labels}Of(int row) {
    return ivec4(${samplerOf(labels)}(row).xxyy + .5);
  }`;
}

/** Whether the lanes at a column are at the positions of their rows. */
export function isAt(column: string, positions: string): string {
  return `equal(ivec4(${column}, ${column} + 1, ${column}, ${column} + 1), ${positions})`;
}

/** Declares `name`(row, columns), what `of`(row, column) gives for a column in each of two rows. */
export function entriesAt(name: string, of: string): string {
  return `
  vec2 ${name}(int row, ivec2 columns) {
    ivec2 even = (columns / 2) * 2;
    vec4 first = ${of}(row, even.x);
    vec4 second = ${of}(row, even.y);
    return vec2(columns.x == even.x ? first.x : first.y, columns.y == even.y ? second.z : second.w);
  }`;
}

/** Declares labelLevel(row) and labelRest(row) for the view `view`: the levels of the labels' entries of two rows, and their rests. */
export function labelEntry(labels: tf.Tensor1D, classes: number, inputs: Inputs): string {
  inputs.tensor("labels", labels);
  return `
  vec4 levelAt(int row, int column) {
    return viewLevel(row, column, viewAnchor(row));
  }
  vec4 restAt(int row, int column) {
    return viewLevel2(row, column, viewAnchor(row)).y;
  }
  ${entriesAt("levelsAt", "levelAt")}
  ${entriesAt("restsAt", "restAt")}
  ivec2 labelColumns(int row) {
    return clamp(ivec2(getLabels(row).xy + .5), 0, ${classes - 1});
  }
  vec2 labelLevel(int row) {
    return levelsAt(row, labelColumns(row));
  }
  vec2 labelRest(int row) {
    return restsAt(row, labelColumns(row));
  }`;
}
