/** The statistics that follow from a row's state alone, [N] each: a program of a few fragments each. */
import type * as tf from "@tensorflow/tfjs";
import type { StatisticName } from "../rowStatistics.ts";
import type { WideView } from "../views.ts";
import { labelEntry } from "./positions.ts";
import { Inputs } from "./program.ts";
import { keepsRests, viewSource } from "./view.ts";
import type { KnownView } from "./weights.ts";

/**
 * What the exponentials of the others fall by where the label is above them, from s = log(1 + S exp(−m′)), which knows of m′
 * what is rounded off.
 */
const fallBySum = `
    bvec2 isAbove = greaterThan(a, vec2(0.));
    others = mix(others, preciseExpm1(s), isAbove);
    fall = mix(fall, others / max(sum, 1e-30), isAbove);`;

/**
 * Declares readState(row) for the state of a view, which leaves the numbers of two rows in variables. With m′ the maximum relative to h:
 * - t = a − m′, at most 0
 * - others = S exp(−m′) and own = exp(t), whose sum is exp(s)
 */
export function stateSource(view: WideView): string {
  return `
  vec2 h, sum, a, top, t, s, fall, others, own;
  bvec2 isBad;
  void readState(int row) {
    vec4 first = getState(row, 0);
    vec4 second = getState(row, 2);
    h = first.xz;
    sum = first.yw;
    a = second.xz;
    s = second.yw;
    isBad = lessThan(sum, vec2(0.));
    sum = max(sum, 0.);
    top = max(a, 0.);
    t = a - top;
    fall = preciseExp(-top);
    others = sum * fall;
    own = preciseExp(t);
    ${keepsRests(view) ? fallBySum : ""}
  }`;
}

const formulas: Readonly<Record<Exclude<StatisticName, "e" | "m">, string>> = {
  s: "s",
  // −log p_y: both are at least 0.
  n: "mix(s - t, vec2(infinity()), lessThanEqual(a, vec2(LOWEST)))",
  t: "mix(t, vec2(-infinity()), lessThanEqual(a, vec2(LOWEST)))",
  r: "mix(preciseLog(sum) - top, vec2(-infinity()), lessThanEqual(sum, vec2(0.)))",
};

/** GLSL that writes a value of two rows: NaN in rows without statistics, 0 in rows that are not valid. */
export function writeRows(value: string, rows: number, valid: tf.Tensor1D | null, inputs: Inputs): string {
  if (valid !== null) inputs.tensor("valid", valid);
  return `
    vec2 value = mix(${value}, vec2(NAN), isBad);
    ${valid === null ? "" : "value = mix(vec2(0.), value, greaterThan(getValid(row).xy, vec2(.5)));"}
    // What lies beyond the last row must be 0: other ops read it.
    setOutput(vec4(value.x, row + 1 < ${rows} ? value.y : 0., 0., 0.));`;
}

export function statistic(
  name: keyof typeof formulas,
  view: WideView,
  state: tf.Tensor2D,
  valid: tf.Tensor1D | null,
): tf.Tensor1D {
  const [rows] = state.shape;
  const inputs = new Inputs();
  inputs.tensor("state", state);
  const write = writeRows(formulas[name], rows, valid, inputs);
  return inputs.run(
    `${stateSource(view)}
    void main() {
      int row = getOutputCoords();
      readState(row);
      ${write}
    }`,
    [rows],
  ) as tf.Tensor1D;
}

/** m itself: the label's entry where it is above the others, else what the others are relative to. */
export function maximum(
  view: WideView,
  { source, state, anchor }: KnownView,
  labels: tf.Tensor1D | null,
  valid: tf.Tensor1D | null,
): tf.Tensor1D {
  const [rows, classes] = source.shape;
  const inputs = new Inputs();
  inputs.tensor("state", state);
  const declared = viewSource("view", view, source, inputs, anchor);
  const label = labels === null ? "" : labelEntry(labels, classes, inputs);
  const write = writeRows("viewOrigin(highest.xxyy, viewAnchor(row)).xz", rows, valid, inputs);
  return inputs.run(
    `${stateSource(view)}
    ${declared}
    ${label}
    void main() {
      int row = getOutputCoords();
      readState(row);
      vec2 highest = ${labels === null ? "h" : "mix(h, labelLevel(row), greaterThan(a, vec2(0.)))"};
      ${write}
    }`,
    [rows],
  ) as tf.Tensor1D;
}
