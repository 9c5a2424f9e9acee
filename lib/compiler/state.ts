/**
 * What a plan knows of one batch after the forward pass: row statistics in each view, tables, look-ups. All of it is
 * vectors [N] and tables [V], beside the logits and soft labels themselves.
 */
import * as tf from "@tensorflow/tfjs";
import { chooseKernel } from "../kernels/choose.ts";
import { type RowNumbers, tensorOf } from "../kernels/column.ts";
import { withoutInvalidRows } from "../kernels/portable.ts";
import type { Dot, DotTable, RowStatistics, StatisticName, ViewInput, WideInput } from "../kernels/rowStatistics.ts";
import { rowSums } from "../kernels/sums.ts";
import { applyView, type WideView } from "../kernels/views.ts";
import type { Candidates, LabelFact } from "../loss/candidates.ts";
import { atom, atomsOf, interpreter } from "../loss/expression.ts";
import type { ParameterAtom } from "../loss/parameter.ts";
import { at, numberAlgebra, type Step, stepValue } from "../loss/schedule.ts";
import type { View } from "../loss/view.ts";
import type { Rows } from "./batch.ts";
import { candidateIds, labelFactOf } from "./beside.ts";
import { type CandidateReading, candidateSum, gatherLogits, type PivotRows, pivotRows } from "./candidates.ts";
import { type ClasswiseContext, classwiseSum, logitsAtomValue } from "./classwise.ts";
import { columnNumbers, type NumbersByKey } from "./columnRunner.ts";
import { isHostBackend } from "./entries.ts";
import { type CandidatesStatistic, keyOf, type Statistic, type Table, type Weighting } from "./narrow.ts";
import type { Plan } from "./plan.ts";
import type { Tables } from "./tables.ts";
import { type RowValues, tensorAlgebra } from "./tensorAlgebra.ts";
import { type ViewedRows, type WholeRowState, wholeRowForward } from "./wholeRow.ts";

/** The values of a loss's trainable parameters, by name. */
export type ParameterValues = ReadonlyMap<string, tf.Scalar>;

export interface State {
  readonly rows: Rows;
  /** [N, V], as they came; the predictions [N, D] of a loss over values. */
  readonly logits: tf.Tensor2D;
  readonly parameters: ParameterValues;
  readonly views: ReadonlyMap<string, WideView>;
  /** The statistics of each view. */
  readonly statistics: ReadonlyMap<string, RowStatistics<RowNumbers>>;
  readonly lookups: ReadonlyMap<string, tf.Tensor1D>;
  readonly totals: ReadonlyMap<string, number>;
  /** The sums over the soft targets. */
  readonly targetSums: ReadonlyMap<string, tf.Tensor1D>;
  readonly classwise: ReadonlyMap<string, tf.Tensor1D>;
  /** The numbers over the columns of values. */
  readonly columns: NumbersByKey;
  readonly wholeRows: ReadonlyMap<string, WholeRowState>;
  /** The ids that are summed over, [N, K], by where they come from. */
  readonly candidates: ReadonlyMap<Candidates, tf.Tensor2D>;
  /** The candidates in each view that reads their pivot. */
  readonly pivots: ReadonlyMap<string, PivotRows>;
  /** The sums over candidates that are not the pivot. */
  readonly candidateSums: ReadonlyMap<string, tf.Tensor1D>;
  /** What labels alone tell of each row, 0 or 1. */
  readonly labelFacts: ReadonlyMap<string, tf.Tensor1D>;
  /** Every table that is needed as a whole, on the device. */
  readonly tables: ReadonlyMap<string, DotTable>;
}

export type Bound = Omit<
  State,
  "logits" | "statistics" | "classwise" | "wholeRows" | "columns" | "candidates" | "pivots" | "candidateSums"
>;

/** Everything that looks at no logits. */
export function bindBatch(plan: Plan, rows: Rows, tables: Tables, parameters: ParameterValues): Bound {
  const { step, classes, labels, targets } = rows;
  const onDevice = (table: Table): DotTable => tables.onDevice(table, step, classes);
  const whole = mapEntries(plan.wholeTables, onDevice);
  return {
    rows,
    parameters,
    tables: whole,
    labelFacts: labelFactsOf(plan, rows),
    views: mapEntries(plan.views, (view) => bindView(view, rows, parameters, onDevice)),
    lookups: mapEntries(plan.lookups, (table) => tf.gather(onDevice(table).tensor, labels as tf.Tensor1D)),
    totals: mapEntries(plan.totals, (table) => tables.total(table, step, classes)),
    targetSums: targets === null ? new Map() : targetSumsOf(plan, targets, onDevice),
  };
}

/** What labels alone tell of each row, [N] each. */
export function labelFactsOf(plan: Plan, rows: Rows): State["labelFacts"] {
  return rows.ofSequences?.labelFacts ?? mapEntries(knownFacts(plan, rows), (fact) => labelFactOf(fact, rows));
}

/** The ids that are summed over, [N, K] each. */
export function candidatesOf(plan: Plan, rows: Rows): State["candidates"] {
  if (rows.ofSequences !== undefined) return rows.ofSequences.candidates;
  const sources = [...ofKind(plan, "candidates").values()].map(({ candidates }) => candidates);
  return new Map([...new Set(sources)].map((of) => [of, candidateIds(of, rows)]));
}

/** What denominators do not read may need candidates that the batch does not give. */
function knownFacts(plan: Plan, rows: Rows): ReadonlyMap<string, LabelFact> {
  const isKnown = (fact: LabelFact): boolean =>
    fact.kind === "inRepeat" || fact.candidates === "earlierLabels" || rows.candidates !== null;
  return new Map([...plan.labelFacts].filter(([, fact]) => isKnown(fact)));
}

/** The sums over soft targets, [N, V], or over those of a tile of columns with tables of these. */
export function targetSumsOf(
  plan: Plan,
  targets: tf.Tensor2D,
  onDevice: (table: Table) => DotTable,
): State["targetSums"] {
  const ofTargets = [...ofKind(plan, "targetSum")].filter(([, { weighting }]) => weighting === "targets");
  return mapEntries(new Map(ofTargets), ({ table }) =>
    rowSums(table === null ? targets : tf.mul(targets, onDevice(table).tensor)),
  );
}

function bindView(view: View, rows: Rows, parameters: ParameterValues, onDevice: (table: Table) => DotTable): WideView {
  checkScale(view, rows.step, parameters);
  const perClass = atomsOf(view.bias).some((a) => a.kind === "weight");
  return {
    of: view.of,
    scale: scaleOf(view.scale, rows.step, parameters),
    cap: view.cap === null ? null : at(view.cap, rows.step),
    bias: perClass || view.bias.kind !== "constant" ? onDevice(view.bias).tensor : view.bias.value,
  };
}

/** The scale of a view at a step. */
export function scaleOf(scale: View["scale"], step: number, parameters: ParameterValues): number | tf.Scalar {
  const meaning = (a: Step | ParameterAtom): RowValues =>
    a.kind === "step" ? stepValue(a, step) : (parameters.get(a.name) as unknown as tf.Tensor1D);
  return interpreter(tensorAlgebra(meaning))(scale) as number | tf.Scalar;
}

/** Evaluates the scale of a view as a number where that waits for no device, so that its bounds are checked. */
function checkScale(view: View, step: number, parameters: ParameterValues): void {
  if (!isHostBackend() || view.scale.kind === "constant") return;
  const numberOf = (a: Step | ParameterAtom): number =>
    a.kind === "step" ? stepValue(a, step) : lookUp(parameters, a.name).dataSync()[0];
  interpreter(numberAlgebra(numberOf))(view.scale);
}

/** The forward pass over the logits. */
export function forwardState(plan: Plan, bound: Bound, logits: tf.Tensor2D): State {
  const columns = columnNumbers(plan.columns, { rows: bound.rows, predictions: logits, parameters: bound.parameters });
  const candidates = candidatesOf(plan, bound.rows);
  const pivots = pivotsOf(plan, bound, candidates, logits);
  const statistics = plan.targets === "values" ? new Map() : statisticsOf(plan, { ...bound, pivots }, logits);
  const nothing = { classwise: new Map(), wholeRows: new Map(), candidateSums: new Map() };
  const state: State = { ...bound, logits, statistics, columns, candidates, pivots, ...nothing };
  const sum = ({ body, weighting }: OfKind<"classwise">): tf.Tensor1D =>
    bound.rows.count === 0 ? tf.tensor1d([]) : classwiseSum(body, classwiseContext(state, weighting));
  const wholeRows = mapEntries(
    ofKind(plan, "wholeRow"),
    ({ of, view }): WholeRowState =>
      bound.rows.count === 0
        ? { value: tf.tensor1d([]), kept: [] }
        : wholeRowForward(of, viewedRows(state, view), bound.rows.step),
  );
  const candidateSums = mapEntries(ofKind(plan, "candidates"), (s) => sumOverCandidates(state, s));
  return { ...state, classwise: mapEntries(ofKind(plan, "classwise"), sum), wholeRows, candidateSums };
}

/** What the denominators of a batch need: a state without the model's logits. */
export function stateWithoutLogits(plan: Plan, bound: Bound): State {
  const reads = plan.terms.some(({ weight }) => atomsOf(weight).some((a) => a.kind === "statistic"));
  const pivots = new Map<string, PivotRows>();
  const statistics = plan.teacher && reads ? statisticsOf(plan, { ...bound, pivots }, null) : new Map();
  const ofCandidates = { candidates: new Map(), pivots, candidateSums: new Map() };
  const nothing = { columns: new Map(), classwise: new Map(), wholeRows: new Map(), ...ofCandidates };
  return { ...bound, logits: tf.zeros<tf.Rank.R2>([0, 0]), statistics, ...nothing };
}

/** The pivots of the views that read them. */
function pivotsOf(
  plan: Plan,
  { rows, views }: Bound,
  candidates: ReadonlyMap<Candidates, tf.Tensor2D>,
  logits: tf.Tensor2D,
): ReadonlyMap<string, PivotRows> {
  if (rows.count === 0) return new Map();
  const pivots = [...plan.views].flatMap(([key, { pivotOf }]) => {
    const ids = pivotOf === undefined ? undefined : candidates.get(pivotOf);
    if (ids === undefined) return [];
    return [[key, pivotRows(ids, lookUp(views, key), gatherLogits(logits, ids), rows)] as const];
  });
  return new Map(pivots);
}

/** The sum over candidates that are not the pivot, [N]. */
export function sumOverCandidates(state: State, statistic: CandidatesStatistic): tf.Tensor1D {
  return candidateSum(statistic.body, candidateReading(state, statistic));
}

/** What a sum over candidates reads of a state. */
export function candidateReading(state: State, { candidates, view }: CandidatesStatistic): CandidateReading {
  const { rows, tables } = state;
  const viewedAt = (key: string): CandidateReading["viewed"] => ({
    view: lookUp(state.views, key),
    pivotRows: lookUp(state.pivots, key),
    n: tensorOf(lookUp(state.statistics, key).n as RowNumbers),
  });
  return {
    rows,
    ids: lookUp(state.candidates, candidates),
    viewed: view === null || rows.count === 0 ? null : viewedAt(keyOf(view)),
    table: (field) => lookUp(tables, keyOf(atom({ kind: "weight", field }))).tensor,
  };
}

type BoundPivots = Bound & Pick<State, "pivots">;

/** The statistics of each view; of the teacher's views alone where the model's logits are not there. */
function statisticsOf(plan: Plan, bound: BoundPivots, logits: tf.Tensor2D | null): State["statistics"] {
  const input = wideInput(plan, bound, logits);
  const { kernel } = chooseKernel(input.views, bound.rows.classes);
  const statistics =
    bound.rows.count === 0 ? input.views.map(emptyStatistics) : (kernel.inPlace ?? kernel).forward(input);
  return new Map(input.views.map((_, i) => [[...plan.views.keys()][i], statistics[i]]));
}

/** What the kernel reads: the views in the plan's order, which has a teacher's first. */
export function wideInput(
  plan: Plan,
  { rows, views, tables, pivots }: BoundPivots,
  logits: tf.Tensor2D | null,
): WideInput {
  const read = [...views].filter(([, view]) => view.of === "teacher" || logits !== null);
  return {
    logits,
    teacher: rows.teacher,
    labels: rows.labels,
    targets: rows.targets,
    valid: rows.read,
    views: read.map(([key, view]) => {
      const pivot = pivots.get(key)?.pivot;
      const reading = readingOf(plan, key, (table) => lookUp(tables, keyOf(table)));
      return { ...view, ...reading, ...(pivot === undefined ? {} : { labels: pivot }) };
    }),
  };
}

/** What is wanted of a view. */
function readingOf(plan: Plan, view: string, onDevice: (table: Table) => DotTable): Pick<ViewInput, "wanted" | "dots"> {
  const keys = [...plan.views.keys()];
  return {
    wanted: wantedOf(plan, view),
    dots: dotsOf(plan, view).map((dot): Dot => {
      const table = dot.table === null ? null : onDevice(dot.table);
      if (dot.kind === "dot") return { weights: "ones", table, times: "logits" };
      const weights = dot.weighting === "targets" ? "targets" : keys.indexOf(keyOf(dot.weighting));
      return { weights, table, times: dot.kind === "crossEntropy" ? "nll" : "nothing" };
    }),
  };
}

/** The views of a plan as a kernel would read them, without a batch: scales, caps and biases are stand-ins. */
export function viewInputs(plan: Plan): readonly ViewInput[] {
  const standIn = { tensor: tf.tensor1d([]), support: null };
  standIn.tensor.dispose();
  return [...plan.views].map(([key, view]) => ({
    of: view.of,
    scale: view.scale.kind === "constant" ? view.scale.value : 2,
    cap: view.cap === null ? null : 1,
    bias: view.bias.kind === "constant" ? view.bias.value : standIn.tensor,
    ...readingOf(plan, key, () => standIn),
  }));
}

/** The sums over the vocabulary that the kernel makes with a view, in the plan's order. */
export function dotsOf(plan: Plan, view: string): readonly OfKind<"dot" | "crossEntropy" | "targetSum">[] {
  return [...plan.statistics.values()].filter((s): s is OfKind<"dot" | "crossEntropy" | "targetSum"> => {
    if (s.kind === "dot" || s.kind === "crossEntropy") return keyOf(s.view) === view;
    // The sums over the soft targets look at no logits.
    return s.kind === "targetSum" && s.weighting !== "targets" && keyOf(s.weighting) === view;
  });
}

/** The statistics that a plan wants of a view. */
export function wantedOf(plan: Plan, view: string): ReadonlySet<StatisticName> {
  const wanted = new Set<StatisticName>();
  for (const s of plan.statistics.values()) {
    if (s.kind === "dot" || s.kind === "crossEntropy" || s.kind === "targetSum" || s.kind === "classwise") continue;
    if (s.kind === "columns") continue;
    if (s.kind === "candidates") {
      // Its slope reaches s.
      if (s.view !== null && keyOf(s.view) === view) wanted.add("n").add("s");
      continue;
    }
    if (s.kind === "wholeRow") {
      if (keyOf(s.view) === view) wanted.add("m").add("s");
      continue;
    }
    if (keyOf(s.view) === view) wanted.add(s.kind);
  }
  // Class-wise sums, and the gradient of soft labels, need each class's probability.
  if (plan.targets === "soft" || ofKind(plan, "classwise").size > 0) wanted.add("m").add("s");
  return wanted;
}

export type OfKind<K extends Statistic["kind"]> = Extract<Statistic, { readonly kind: K }>;

/** The statistics of one kind, by key. */
export function ofKind<K extends Statistic["kind"]>(plan: Plan, kind: K): ReadonlyMap<string, OfKind<K>> {
  const entries = [...plan.statistics].filter((entry): entry is [string, OfKind<K>] => entry[1].kind === kind);
  return new Map(entries);
}

/** Rows of logits as a view shows them, with rows that are not valid replaced. */
export function viewedRows(
  { rows, logits, views, statistics }: State,
  view: View,
): ViewedRows & { readonly s: tf.Tensor1D } {
  const key = keyOf(view);
  const { m, s } = lookUp(statistics, key);
  const source = view.of === "logits" ? logits : (rows.teacher as tf.Tensor2D);
  const shown = withoutInvalidRows(applyView(lookUp(views, key), source), rows.read);
  // A cap is rounded otherwise here than in the kernel: relative to the kernel's m, nll would fall below 0.
  const highest = view.cap === null ? tensorOf(m as RowNumbers) : (tf.max(shown, 1) as tf.Tensor1D);
  return { logits: shown, m: highest, s: tensorOf(s as RowNumbers) };
}

/** What class-wise expressions read of the rows beside their entries. */
export interface ClasswiseRows {
  readonly viewed: (view: View) => ReturnType<typeof viewedRows>;
  /** V. */
  readonly classes: number;
}

/**
 * What class-wise expressions read of a state; the soft targets, a teacher's softmax, or 1, as weights. `whole` is of whole rows where
 * the classes of the state are some of them.
 */
export function classwiseContext(
  state: State,
  weighting: Weighting,
  whole: ClasswiseRows = { viewed: (view) => viewedRows(state, view), classes: state.rows.classes },
): ClasswiseContext {
  const { rows, tables } = state;
  const viewed: ClasswiseContext["viewed"] = ({ view }) => whole.viewed(view);
  const weightsOf = (): tf.Tensor2D | null => {
    if (weighting === "ones") return null;
    if (weighting === "targets") return withoutInvalidRows(rows.targets as tf.Tensor2D, rows.read);
    return tf.exp(tf.neg(logitsAtomValue({ kind: "nll", view: weighting }, { viewed })));
  };
  const weights = weightsOf();
  return {
    weights,
    viewed,
    constantOf: (a) => {
      if (a.kind === "step") return stepValue(a, rows.step);
      if (a.kind === "vocabularySize") return whole.classes;
      if (a.kind === "target" && weights !== null) return weights;
      if (a.kind === "weight" && a.field !== null)
        return lookUp(tables, keyOf(atom({ kind: "weight", field: a.field }))).tensor;
      throw new Error(`unreachable: ${a.kind} in a class-wise sum`);
    },
  };
}

function emptyStatistics({ dots }: ViewInput): RowStatistics {
  const empty = tf.tensor1d([], "float32");
  return { m: empty, s: empty, n: empty, t: empty, r: empty, e: empty, dots: dots.map(() => empty), state: [] };
}

export function mapEntries<A, B>(map: ReadonlyMap<string, A>, f: (a: A, key: string) => B): ReadonlyMap<string, B> {
  return new Map([...map].map(([key, a]) => [key, f(a, key)]));
}

/** The entry of a key that the plan has put there. */
export function lookUp<T>(map: ReadonlyMap<string, T>, key: string): T {
  const value = map.get(key);
  if (value === undefined) throw new Error(`unreachable: ${key} is not in the plan`);
  return value;
}
