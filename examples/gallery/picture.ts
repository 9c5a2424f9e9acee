/** What the gallery's pictures are: panels of curves, each curve the picture of a line of code. */

/** A curve, with the code that it is of. */
export interface Curve {
  readonly code: string;
  /** What the legend says after the code, such as a number that the curve does not show. */
  readonly note?: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Axis {
  readonly title: string;
  /** "linear" by default. */
  readonly scale?: "linear" | "log";
  /** What is shown of it: all by default. */
  readonly domain?: readonly [lowest: number, highest: number];
}

export interface Panel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly curves: readonly Curve[];
}

export interface Picture {
  /** The name of its file, without the ending. */
  readonly name: string;
  readonly heading: string;
  /** What is to be seen, in Markdown. */
  readonly text: string;
  readonly panels: readonly Panel[];
}

/** Pictures of one kind of thing. */
export interface Section {
  readonly heading: string;
  readonly text: string;
  readonly pictures: readonly Picture[];
}

/** `count` numbers from one to another, evenly spaced. */
export function range(from: number, to: number, count = 81): readonly number[] {
  return Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1));
}
