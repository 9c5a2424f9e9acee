/**
 * Row statistics as two compute programs for each kind of call: one dispatch reads the logits in the forward pass, for all
 * views, and one in the backward pass. A program binds eight storage buffers at most, which every device allows: where
 * there are more tables they are copied into one buffer first.
 */
import * as tf from "@tensorflow/tfjs";
import type { RowCotangents, RowStatistics, RowStatisticsKernel, WideInput } from "../rowStatistics.ts";
import { backwardSource, type CotangentsPlan, partsOfRow } from "./backward.ts";
import { packedColumns, statisticNames } from "./columns.ts";
import { forwardSource } from "./forward.ts";
import { planReading, type Use } from "./plan.ts";
import { runProgram, workgroupSize } from "./program.ts";

/** Any views at all, several of a teacher's among them. */
export const webgpuRowStatistics: RowStatisticsKernel = {
  name: "webgpu",
  refusal: () => null,
  reads: () => 1,
  forward: (input) => tf.tidy(() => forward(input) as unknown as tf.TensorContainer) as unknown as RowStatistics[],
  backward: (input, statistics, cotangents) => tf.tidy(() => backward(input, statistics, cotangents)),
};

function forward(input: WideInput): readonly RowStatistics[] {
  const packed = packedStatistics(input);
  const [rows] = packed.shape;
  const columns = packedColumns(input.views, input.labels !== null);
  const one = (column: number): tf.Tensor1D => tf.reshape(tf.slice(packed, [0, column], [rows, 1]), [rows]);
  return columns.views.map(({ dots, ...view }, v) => {
    const [m, s, n, t, r, e] = statisticNames.map((name) => {
      const column = view[name];
      return column === null ? null : one(column);
    });
    // The packed tensor is that of all views.
    return { m, s, n, t, r, e, dots: dots.map(one), state: v === 0 ? [packed] : [] };
  });
}

/** All statistics of a call, [N, K], in the columns that `packedColumns` tells, and what the backward pass needs. */
export function packedStatistics(input: WideInput): tf.Tensor2D {
  const { views, count } = packedColumns(input.views, input.labels !== null);
  const uses = input.views.map(
    ({ dots }, v): Use => ({ view: views[v].state.origin !== null, dots: dots.map(() => true) }),
  );
  return tf.tidy(() => {
    const { plan, rows, classes, inputs, uniforms } = planReading(input, uses, null);
    if (rows * classes * count === 0) return tf.zeros([rows, count]);
    const packed = runProgram({
      key: `lossmith row statistics ${JSON.stringify(plan)}`,
      source: () => forwardSource(plan),
      outputShape: [rows, count],
      workgroups: Math.ceil((rows * plan.lanes) / workgroupSize),
      inputs,
      uniforms,
    });
    return packed as tf.Tensor2D;
  });
}

function backward(
  input: WideInput,
  statistics: readonly RowStatistics[],
  cotangents: readonly (RowCotangents | null)[],
): tf.Tensor2D {
  const logits = input.logits as tf.Tensor2D;
  const [packed] = statistics[0]?.state ?? [];
  const given: tf.Tensor1D[] = [];
  const index = (g: tf.Tensor1D | null): number | null => (g === null ? null : given.push(g) - 1);
  const places = input.views.map((view, v): CotangentsPlan | null => {
    const g = cotangents[v];
    if (g === null || view.of === "teacher") return null;
    const dots = view.dots.map(({ times }, k) => (times === "nothing" ? null : index(g.dots[k])));
    const place = { s: index(g.s), n: index(g.n), t: index(g.t), r: index(g.r), e: index(g.e), dots };
    return Object.values(place)
      .flat()
      .every((x) => x === null)
      ? null
      : place;
  });
  if (given.length === 0 || logits.size === 0 || packed === undefined) return tf.zerosLike(logits);
  const weighing = new Set(
    input.views.flatMap(({ dots }, v) => dots.flatMap(({ weights }, k) => (places[v]?.dots[k] == null ? [] : weights))),
  );
  const uses = input.views.map(({ dots }, v): Use => {
    const place = places[v];
    return {
      view: place !== null || weighing.has(v),
      dots: dots.map((_, k) => place !== null && place.dots[k] !== null),
    };
  });
  const rowData = tf.concat1d([tf.reshape(packed, [packed.size]), ...given]);
  const { plan, rows, classes, inputs, uniforms } = planReading(input, uses, rowData);
  const parts = partsOfRow(plan, classes);
  const program = { ...plan, cotangents: places };
  const gradient = runProgram({
    key: `lossmith row gradients ${JSON.stringify(program)}`,
    source: () => backwardSource(program),
    outputShape: logits.shape,
    workgroups: Math.ceil((rows * parts * plan.lanes) / workgroupSize),
    inputs,
    uniforms: [...uniforms, { name: "parts", type: "i32", value: parts }],
  });
  return gradient as tf.Tensor2D;
}
