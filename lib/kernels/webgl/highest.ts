/**
 * The column of each row's highest entry, for the gradient of cross entropies. The chunk that it is in is known when the
 * chunks are folded; that one is read once more.
 */
import type { ViewInput } from "../rowStatistics.ts";
import type { Chunks } from "./program.ts";

/** Whether the backward pass of a view has to know which entry is the highest, and what the others add up to. */
export function hasHighest({ dots }: Pick<ViewInput, "dots">): boolean {
  return dots.some(({ times }) => times === "nll");
}

/** Follows, over the chunks, which holds the highest of their entries. */
export const whichChunk = `
  bvec2 isHigher = greaterThan(pairs.xz, highest);
  highest = mix(highest, pairs.xz, isHigher);
  chunkOfHighest = mix(chunkOfHighest, vec2(chunk), isHigher);`;

/** Writes the last columns of a state: the highest entry's column, and the sum relative to it. */
export function writeHighest(labelled: boolean): string {
  return `else {
    vec2 column = highestOfChunk(coords.x, ivec2(chunkOfHighest + .5));
    ${labelled ? "column = mix(column, getLabels(coords.x).xy, greaterThanEqual(a, vec2(0.)));" : ""}
    setOutput(vec4(column.x, rest.x, column.y, rest.y));
  }`;
}

/** Declares highestOfChunk(row, chunks), the columns of the highest entries but the labels' in a chunk of each of two rows. */
export function highestOfChunk({ texels, length }: Chunks, classes: number, labelled: boolean): string {
  return `
  vec2 highestOfChunk(int row, ivec2 chunks) {
    vec4 anchor = viewAnchor(row);
    ${labelled ? "ivec4 label = labelsOf(row);" : ""}
    vec4 highest = vec4(LOWEST);
    vec4 place = vec4(0.);
    for (int i = 0; i < ${Math.min(length, texels)}; i++) {
      ivec2 even = 2 * min(chunks * ${length} + i, ${texels - 1});
      ivec4 columns = ivec4(even.x, even.x + 1, even.y, even.y + 1);
      vec4 level = vec4(viewLevel(row, even.x, anchor).xy, viewLevel(row, even.y, anchor).zw);
      level = mix(level, vec4(LOWEST), greaterThanEqual(columns, ivec4(${classes})));
      ${labelled ? "level = mix(level, vec4(LOWEST), equal(columns, label));" : ""}
      bvec4 isHigher = greaterThan(level, highest);
      highest = mix(highest, level, isHigher);
      place = mix(place, vec4(columns), isHigher);
    }
    return mix(place.xz, place.yw, greaterThan(highest.yw, highest.xz));
  }`;
}
