/**
 * Row statistics as two compute programs for each kind of call: one dispatch reads the logits in the forward pass, for all
 * views, and one in the backward pass. Where rows are long a third folds what the first has found of their parts. A
 * program binds eight storage buffers at most, which every device allows: where there are more tables they are copied into
 * one buffer first.
 */
import * as tf from "@tensorflow/tfjs";
import { type Column, tensorOf } from "../column.ts";
import { entriesAt } from "../portable.ts";
import type { InPlace, RowCotangents, RowStatistics, RowStatisticsKernel, WideInput } from "../rowStatistics.ts";
import { addAt } from "./addAt.ts";
import { backwardSource, type CotangentsPlan, partsOfRow } from "./backward.ts";
import { packedColumns, statisticNames } from "./columns.ts";
import { forwardSource } from "./forward.ts";
import { partWidth } from "./partColumns.ts";
import { foldSource } from "./partFold.ts";
import { partsSource } from "./partSums.ts";
import { foldingLanes, partsOfForward, spanOf } from "./parts.ts";
import { planReading, type Reading, type Use } from "./plan.ts";
import { runProgram, workgroupSize } from "./program.ts";

/** How the forward pass shares its work. */
export interface Sharing {
  /** In how many parts each of so many rows is read. */
  readonly partsOf: (rows: number, classes: number) => number;
  /** Whether lanes fold within subgroups first. */
  readonly subgroups: boolean;
}

/** Reads any views at all, several of a teacher's among them. */
export function webgpuKernel(sharing: Sharing): RowStatisticsKernel {
  return {
    name: sharing.subgroups ? "webgpu with subgroups" : "webgpu",
    refusal: () => null,
    reads: () => 1,
    forward: (input) => tidied(() => forward(input, sharing).map(inTensors)),
    backward: (input, statistics, cotangents) => tf.tidy(() => backward(input, statistics, inOneTensor(cotangents))),
    addAt,
    entriesAt,
    inPlace: {
      forward: (input) => tidied(() => forward(input, sharing)),
      backward: (input, statistics, cotangents) => tf.tidy(() => backward(input, statistics, cotangents)),
    },
  };
}

const base: Sharing = { partsOf: partsOfForward, subgroups: false };

export const webgpuRowStatistics: RowStatisticsKernel = webgpuKernel(base);

/** For devices that have subgroups. */
export const webgpuWithSubgroups: RowStatisticsKernel = webgpuKernel({ ...base, subgroups: true });

function tidied<T>(compute: () => T): T {
  return tf.tidy(compute as () => tf.TensorContainer) as T;
}

function forward(input: WideInput, sharing: Sharing): readonly RowStatistics<Column>[] {
  const packed = packedStatistics(input, sharing);
  const columns = packedColumns(input);
  const at = (index: number): Column => ({ within: packed, as: "column", index });
  return columns.views.map(({ dots, ...view }, v) => {
    const [m, s, n, t, r, e] = statisticNames.map((name) => {
      const index = view[name];
      return index === null ? null : at(index);
    });
    // The packed tensor is that of all views.
    return { m, s, n, t, r, e, dots: dots.map(at), state: v === 0 ? [packed] : [] };
  });
}

function inTensors({ dots, state, ...named }: RowStatistics<Column>): RowStatistics {
  const [m, s, n, t, r, e] = statisticNames.map((name) => {
    const column = named[name];
    return column === null ? null : tensorOf(column);
  });
  return { m, s, n, t, r, e, dots: dots.map(tensorOf), state };
}

type Cotangents = Parameters<InPlace["backward"]>[2];

/** The same cotangents as rows of one tensor. */
function inOneTensor(cotangents: readonly (RowCotangents | null)[]): Cotangents {
  const given = cotangents
    .flatMap((g) => (g === null ? [] : [g.s, g.n, g.t, g.r, g.e, ...g.dots]))
    .flatMap((g) => g ?? []);
  if (given.length === 0) return cotangents.map(() => null);
  const within = tf.concat1d(given).reshape([given.length, given[0].size]);
  let index = 0;
  const place = (g: tf.Tensor1D | null): Column | null => (g === null ? null : { within, as: "row", index: index++ });
  return cotangents.map((g) => {
    if (g === null) return null;
    const [s, n, t, r, e] = [g.s, g.n, g.t, g.r, g.e].map(place);
    return { s, n, t, r, e, dots: g.dots.map(place) };
  });
}

/** All statistics of a call, [N, K], in the columns that `packedColumns` tells, and what the backward pass needs. */
export function packedStatistics(input: WideInput, { partsOf, subgroups }: Sharing = base): tf.Tensor2D {
  const { views, count } = packedColumns(input);
  const uses = input.views.map(
    ({ dots }, v): Use => ({ view: views[v].state.origin !== null, dots: dots.map(() => true) }),
  );
  return tf.tidy(() => {
    const reading = planReading(input, uses, [], subgroups);
    const { plan, rows, classes, inputs, uniforms } = reading;
    if (rows * classes * count === 0) return tf.zeros([rows, count]);
    const span = spanOf(classes, partsOf(rows, classes));
    const parts = Math.ceil(classes / span);
    if (parts > 1) return foldParts(input, uses, reading, parts, span);
    const packed = runProgram({
      key: `lossmith row statistics ${JSON.stringify(plan)}`,
      source: () => forwardSource(plan),
      outputShape: [rows, count],
      workgroups: Math.ceil((rows * plan.lanes) / workgroupSize),
      ...{ inputs, uniforms, subgroups: plan.subgroups },
    });
    return packed as tf.Tensor2D;
  });
}

/** The same by two programs: one over the parts of rows, and one that folds them. */
function foldParts(
  input: WideInput,
  uses: readonly Use[],
  { plan, rows, inputs, uniforms }: Reading,
  parts: number,
  span: number,
): tf.Tensor2D {
  const ofParts = { name: "parts", type: "i32", value: parts } as const;
  const partials = runProgram({
    key: `lossmith parts of rows ${JSON.stringify(plan)}`,
    source: () => partsSource(plan),
    outputShape: [rows * parts, partWidth(plan)],
    workgroups: Math.ceil((rows * parts * plan.lanes) / workgroupSize),
    ...{ inputs, subgroups: plan.subgroups },
    uniforms: [...uniforms, ofParts, { name: "span", type: "i32", value: span }],
  });
  const fold = planReading(input, uses, [{ name: "partials", tensor: partials }], false);
  const packed = runProgram({
    key: `lossmith folded rows ${foldingLanes(parts)} ${JSON.stringify(fold.plan)}`,
    source: () => foldSource(fold.plan, parts),
    outputShape: [rows, plan.columns.count],
    workgroups: Math.ceil((rows * foldingLanes(parts)) / workgroupSize),
    inputs: fold.inputs,
    uniforms: [...fold.uniforms, ofParts],
  });
  return packed as tf.Tensor2D;
}

function backward(
  input: WideInput,
  statistics: readonly Pick<RowStatistics, "state">[],
  cotangents: Cotangents,
): tf.Tensor2D {
  const logits = input.logits as tf.Tensor2D;
  const [packed] = statistics[0]?.state ?? [];
  let given: tf.Tensor | null = null;
  const index = (g: Column | null): number | null => {
    if (g === null) return null;
    given = g.within;
    return g.index;
  };
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
  if (given === null || logits.size === 0 || packed === undefined) return tf.zerosLike(logits);
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
  const rowInputs = [
    { name: "statistics", tensor: packed },
    { name: "cotangents", tensor: given },
  ];
  const { plan, rows, classes, inputs, uniforms } = planReading(input, uses, rowInputs, false);
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
