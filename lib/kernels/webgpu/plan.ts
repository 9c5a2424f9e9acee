/** What the source of a program depends on, as plain data, and the buffers and numbers that the program reads. */
import * as tf from "@tensorflow/tfjs";
import { type Dot, labelsOf, type StatisticName, type ViewInput, type WideInput } from "../rowStatistics.ts";
import { isWanted, type PackedColumns, packedColumns, statisticNames } from "./columns.ts";
import { type Input, storageBuffers, type Uniform, workgroupSize } from "./program.ts";
import type { Folding } from "./reduce.ts";

/** A table [V] or a scalar within a buffer: its entry j is `buffer[offset + j]`. */
export interface Place {
  readonly buffer: string;
  readonly offset: string;
}

export interface DotPlan {
  readonly weights: Dot["weights"];
  readonly table: Place | null;
  readonly times: Dot["times"];
}

export interface ViewPlan {
  readonly of: ViewInput["of"];
  /** WGSL, or null for 1. */
  readonly scale: string | null;
  /** WGSL, or null for none. */
  readonly cap: string | null;
  readonly bias: Place | null;
  /** WGSL: a bias that is one number and so reaches m alone; null for 0. */
  readonly shift: string | null;
  readonly wanted: readonly StatisticName[];
  /** Whether a label is left out of its sums; otherwise the highest entry is. */
  readonly isLabelled: boolean;
  /** WGSL: that label, the batch's or the view's own. */
  readonly label: string;
  /** Null for one that is not read. */
  readonly dots: readonly (DotPlan | null)[];
  /** Whether the view's softmax weighs a dot. */
  readonly weighs: boolean;
}

/** Some of an input, read by the lanes of a row, which fold what they find. */
export interface RowsPlan extends Folding {
  /** The labels that views leave out, as the program calls them, in the order in which they are bound. */
  readonly labels: readonly string[];
  readonly hasValid: boolean;
  /** Null for one that is not read. */
  readonly views: readonly (ViewPlan | null)[];
  readonly columns: PackedColumns;
  /** Where the numbers of each row begin that are not the input's own, by the name of what they are. */
  readonly rowData: Readonly<Record<string, Place>>;
}

/** A view that is read, with its index among all. */
export interface IndexedView extends ViewPlan {
  readonly v: number;
}

export interface IndexedDot extends DotPlan {
  readonly view: IndexedView;
  /** Its index among those of the view. */
  readonly k: number;
  /** The variable of its sum. */
  readonly sum: string;
  /** The view whose softmax weighs it. */
  readonly weighing: IndexedView | null;
}

export function indexedViews({ views }: RowsPlan): readonly IndexedView[] {
  return views.flatMap((view, v) => (view === null ? [] : [{ ...view, v }]));
}

export function indexedDots(views: readonly IndexedView[]): readonly IndexedDot[] {
  return views.flatMap((view) =>
    view.dots.flatMap((dot, k): IndexedDot[] => {
      if (dot === null) return [];
      const weighing = views.find(({ v }) => v === dot.weights) ?? null;
      return [{ ...dot, view, k, sum: `dot${view.v}x${k}`, weighing }];
    }),
  );
}

export interface Reading {
  readonly plan: RowsPlan;
  readonly rows: number;
  readonly classes: number;
  readonly inputs: readonly Input[];
  readonly uniforms: readonly Uniform[];
}

/** Which views, and which of their dots, a program reads. */
export interface Use {
  readonly view: boolean;
  readonly dots: readonly boolean[];
}

/** An invocation takes this many entries of a row, or more. */
const entriesOfLane = 4;

/** Plans a program that reads some of the input, and what else there is for each row. */
export function planReading(
  input: WideInput,
  uses: readonly Use[],
  rowInputs: readonly Input[],
  subgroups: boolean,
): Reading {
  const [rows, classes] = (input.logits ?? (input.teacher as tf.Tensor2D)).shape;
  const labels = labelsThatAreRead(input, uses);
  const fixed: Input[] = [];
  const bind = (name: string, tensor: tf.Tensor | null | undefined): void => {
    if (tensor) fixed.push({ name, tensor });
  };
  const isRead = (view: ViewInput, v: number): boolean => uses[v].view && view.of === "teacher";
  bind("logits", input.logits);
  bind("teacher", input.views.some(isRead) ? input.teacher : null);
  bind("labels", labels.size > 1 ? tf.concat1d([...labels.keys()]) : [...labels.keys()][0]);
  bind("valid", input.valid?.tensor);
  const byTargets = input.views.some(({ dots }, v) => dots.some((d, k) => uses[v].dots[k] && d.weights === "targets"));
  bind("targets", byTargets ? input.targets : null);
  const free = storageBuffers - 1 - fixed.length;
  const rowData = placeRowInputs(rowInputs, rows, hasTables(input.views, uses) ? free - 1 : free);
  const tables = placeTables(input.views, uses, free - rowData.inputs.length);
  const uniforms: Uniform[] = [
    { name: "rows", type: "i32", value: rows },
    { name: "classes", type: "i32", value: classes },
    { name: "zero", type: "u32", value: 0 },
  ];
  const uniform = (name: string, value: number): string => {
    uniforms.push({ name, type: "f32", value });
    return `uniforms.${name}`;
  };
  const views = input.views.map((view, v): ViewPlan | null => {
    if (!uses[v].view) return null;
    const { of, scale, cap, bias, dots } = view;
    const own = labelsOf(input, view);
    const isLabelled = own !== null;
    return {
      of,
      scale: scale === 1 ? null : typeof scale === "number" ? uniform(`scale${v}`, scale) : tables.scalar(scale),
      cap: cap === null ? null : uniform(`cap${v}`, cap),
      bias: typeof bias === "number" ? null : tables.table(bias),
      shift: typeof bias !== "number" || bias === 0 ? null : uniform(`shift${v}`, bias),
      wanted: statisticNames.filter((name) => isWanted(view, name, isLabelled)),
      isLabelled,
      label: own === null ? "" : (labels.get(own) as string),
      dots: dots.map(({ weights, table, times }, k) =>
        uses[v].dots[k] ? { weights, table: table && tables.table(table.tensor), times } : null,
      ),
      weighs: input.views.some(({ dots }, i) => dots.some((d, k) => uses[i].dots[k] && d.weights === v)),
    };
  });
  const lanes = lanesOf(classes);
  return {
    plan: {
      // Lanes that are a part of a workgroup need not be whole subgroups.
      ...{ lanes, subgroups: subgroups && lanes === workgroupSize, hasValid: input.valid !== null, views },
      ...{ labels: [...labels.values()], columns: packedColumns(input), rowData: rowData.places },
    },
    rows,
    classes,
    inputs: [...fixed, ...rowData.inputs, ...tables.inputs],
    uniforms,
  };
}

/** The labels that views leave out, each with what a program calls them. */
function labelsThatAreRead(input: WideInput, uses: readonly Use[]): ReadonlyMap<tf.Tensor1D, string> {
  const all = input.views.flatMap((view, v) => (uses[v].view ? (labelsOf(input, view) ?? []) : []));
  return new Map([...new Set(all)].map((labels, i) => [labels, labels === input.labels ? "label" : `label${i}`]));
}

/** Declares the labels of a row. */
export function declareLabels({ labels }: RowsPlan): string {
  return labels
    .map((label, i) => {
      const place = i === 0 ? "row" : `uniforms.rows * ${i} + row`;
      return `let ${label} = clamp(labels[${place}], 0, uniforms.classes - 1);`;
    })
    .join("\n");
}

function lanesOf(classes: number): number {
  return Math.min(workgroupSize, 2 ** Math.ceil(Math.log2(Math.max(1, classes / entriesOfLane))));
}

interface RowData {
  readonly inputs: readonly Input[];
  readonly places: RowsPlan["rowData"];
}

/** A buffer for each, or one for all where a program may not bind so many. */
function placeRowInputs(given: readonly Input[], rows: number, most: number): RowData {
  if (given.length <= most) {
    const places = given.map(({ name }) => [name, { buffer: name, offset: "0" }]);
    return { inputs: given, places: Object.fromEntries(places) };
  }
  const packed = tf.concat1d(given.map(({ tensor }) => tf.reshape(tensor, [tensor.size])));
  let width = 0;
  const places = given.map(({ name, tensor }) => {
    const offset = `uniforms.rows * ${width}`;
    width += tensor.size / rows;
    return [name, { buffer: "rowData", offset }];
  });
  return { inputs: [{ name: "rowData", tensor: packed }], places: Object.fromEntries(places) };
}

interface Tables {
  readonly inputs: readonly Input[];
  readonly table: (tensor: tf.Tensor1D) => Place;
  readonly scalar: (tensor: tf.Scalar) => string;
}

/** The tables [V] and the scalars that are read. */
function tablesOf(
  views: readonly ViewInput[],
  uses: readonly Use[],
): { readonly tables: readonly tf.Tensor[]; readonly scalars: readonly tf.Tensor[] } {
  const used = views.filter((_, v) => uses[v].view);
  const dots = views.flatMap(({ dots }, v) => dots.filter((_, k) => uses[v].view && uses[v].dots[k]));
  const isTensor = (x: tf.Tensor | number | undefined): x is tf.Tensor => x !== undefined && typeof x !== "number";
  const unique = (all: readonly (tf.Tensor | number | undefined)[]): tf.Tensor[] => [...new Set(all.filter(isTensor))];
  const tables = unique([...used.map(({ bias }) => bias), ...dots.map(({ table }) => table?.tensor)]);
  return { tables, scalars: unique(used.map(({ scale }) => scale)) };
}

function hasTables(views: readonly ViewInput[], uses: readonly Use[]): boolean {
  const { tables, scalars } = tablesOf(views, uses);
  return tables.length + scalars.length > 0;
}

/** A buffer for each table and scalar, or one for all of them where a program may not bind so many. */
function placeTables(views: readonly ViewInput[], uses: readonly Use[], most: number): Tables {
  const { tables, scalars } = tablesOf(views, uses);
  const all = [...tables, ...scalars];
  if (all.length <= most) {
    const name = (tensor: tf.Tensor): string => `table${all.indexOf(tensor)}`;
    return {
      inputs: all.map((tensor) => ({ name: name(tensor), tensor })),
      table: (tensor) => ({ buffer: name(tensor), offset: "0" }),
      scalar: (tensor) => `${name(tensor)}[0]`,
    };
  }
  const packed = tf.concat1d(all.map((tensor) => tf.reshape(tensor, [tensor.size])));
  return {
    inputs: [{ name: "tables", tensor: packed }],
    table: (tensor) => ({ buffer: "tables", offset: `uniforms.classes * ${tables.indexOf(tensor)}` }),
    scalar: (tensor) => `tables[uniforms.classes * ${tables.length} + ${scalars.indexOf(tensor)}]`,
  };
}
