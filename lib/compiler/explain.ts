/**
 * Says in plain text what a loss is and how it is computed.
 */
import * as tf from "@tensorflow/tfjs";
import { percent } from "../frequency/describeCounts.ts";
import { effectiveSampleSize } from "../frequency/effectiveSampleSize.ts";
import { weightWarnings } from "../frequency/weightWarnings.ts";
import { chooseKernel } from "../kernels/choose.ts";
import { portablePasses } from "../kernels/portable.ts";
import { atomsOf } from "../loss/expression.ts";
import { evaluateField, type Field, isScheduledField } from "../loss/field.ts";
import { type AnyLoss, checkLoss } from "../loss/loss.ts";
import { finite } from "../loss/schedule.ts";
import { show, showField, showNumber } from "../loss/show.ts";
import { isHostBackend } from "./entries.ts";
import { explainLinear, type LinearSizes } from "./linear/explainLinear.ts";
import { type Plan, plan } from "./plan.ts";
import { ofKind, viewInputs } from "./state.ts";

/** Options of `explain`. */
export interface ExplainOptions {
  /** The step at which schedules are evaluated; 0 by default. */
  readonly step?: number;
  /** The sizes of a batch of the linear form, to be told its blocks and bytes. */
  readonly linear?: LinearSizes;
}

/**
 * A loss in words: its formula; for each weight field its range, what unseen entries get and the effective sample size
 * of the counted tokens; and the plan, which says what is read from the logits or values.
 *
 * @example
 * ```ts
 * import { crossEntropy, explain, freqWeights, fromCounts, pipe, powerLaw } from "lossmith";
 * import { expect } from "expect";
 *
 * const text = explain(pipe(crossEntropy, freqWeights(fromCounts([900, 90, 10, 0])), powerLaw(0.5)));
 * expect(text).toContain("loss = Σ_i w(y) · nll(y) / Σ_i w(y)");
 * expect(text).toContain("effective sample size");
 * ```
 */
export function explain(loss: AnyLoss, options: ExplainOptions = {}): string {
  const step = finite(options.step ?? 0, "explain({ step })", { lowest: 0 });
  checkLoss(loss, "explain");
  const planned = plan(loss);
  const fields = weightFields(planned).map((field) => explainField(field, step));
  const linear = options.linear === undefined ? [] : [explainLinear(planned, options.linear).join("\n")];
  return [show(loss), ...fields, explainPlan(planned), ...linear].join("\n\n");
}

/** The fields that were attached as weights, each once. */
function weightFields(planned: Plan): readonly Field[] {
  const atoms = planned.terms.flatMap(({ classes }) => atomsOf(classes.weight));
  return [...new Set(atoms.flatMap((a) => (a.kind === "weight" && a.field !== null ? [a.field] : [])))];
}

function explainField(field: Field, step: number): string {
  const weights = evaluateField(field, step);
  const { counts } = field.source;
  const { version } = field.source;
  const updated = version === undefined ? "" : ` after ${version} updates`;
  const when = `${isScheduledField(field) ? ` at step ${step}` : ""}${updated}`;
  const special = overriddenIds(field).filter((id, i, ids) => ids.indexOf(id) === i);
  const shown = special.slice(0, 8).map((id) => `${id}: ${showNumber(weights[id])}`);
  return [
    `${showField(field)}: ${weights.length} entries${when}`,
    `  weights: ${range(weights)}`,
    ...(special.length === 0
      ? []
      : [`  overridden: ${special.length} entries (${shown.join(", ")}${special.length > 8 ? ", …" : ""})`]),
    ...(counts === null
      ? ["  effective sample size: not known, the field has no counts"]
      : explainCounts(weights, counts)),
    ...weightWarnings(weights, counts).map(({ what, remedy }) => `  warning: ${what}; ${remedy}`),
  ].join("\n");
}

function overriddenIds(field: Field): readonly number[] {
  return field.laws.flatMap((law) => atomsOf(law.map).flatMap((a) => (a.kind === "overridden" ? a.ids : [])));
}

function explainCounts(weights: Float64Array, counts: Float64Array): readonly string[] {
  const unseen = weights.filter((_, id) => counts[id] === 0);
  const share = percent(unseen.length / weights.length);
  const counted = weights.some((weight, id) => weight * counts[id] > 0);
  const size = counted
    ? `${percent(effectiveSampleSize(weights, counts))} of the counted tokens`
    : "not known, nothing was counted";
  return [
    ...(unseen.length === 0 ? [] : [`  never seen: ${unseen.length} entries, ${share}, weights ${range(unseen)}`]),
    `  effective sample size: ${size}`,
  ];
}

function range(weights: ArrayLike<number>): string {
  let lowest = Number.POSITIVE_INFINITY;
  let highest = 0;
  for (let id = 0; id < weights.length; id++) {
    lowest = Math.min(lowest, weights[id]);
    highest = Math.max(highest, weights[id]);
  }
  if (lowest === highest) return `${showNumber(lowest)} for each`;
  const ratio = lowest > 0 ? `, a factor of ${showNumber(highest / lowest)}` : "";
  return `${showNumber(lowest)} to ${showNumber(highest)}${ratio}`;
}

/** What reads the logits on the current backend, and how often. */
function explainKernel(planned: Plan): readonly string[] {
  if (tf.getBackend() === undefined)
    return ["  row statistics: by the kernel of the backend, which is not started yet"];
  const views = viewInputs(planned);
  const { kernel, because } = chooseKernel(views);
  if (because === null) {
    const reads = kernel.reads(views);
    const often = reads === 1 ? "once" : `${reads} times`;
    return [`  row statistics: fused for ${kernel.name}: the logits are read ${often} forward and once backward`];
  }
  const { forward, backward } = portablePasses(views);
  return [
    `  row statistics: portable, because ${because}`,
    `  passes over the vocabulary by tensorflow.js's own ops: ${forward} forward, ${backward} backward`,
  ];
}

/** The statistics, look-ups, labels and the kernel's own numbers; each term's share is the batch's, not the row's. */
function keptBytes(planned: Plan): number {
  const { views, lookups, statistics, inputs } = planned;
  const read = viewInputs(planned);
  const ofKernel = read.reduce((sum, { wanted, dots }) => sum + 4 * (wanted.size + dots.length), 0);
  const sumsOfOthers = read.flatMap(({ dots }) => dots.filter(({ times }) => times === "nll")).length;
  const state = 4 * sumsOfOthers + views.size * (stateBytes + (planned.teacher ? teacherStateBytes : 0));
  const others = [...statistics.values()].filter(
    (s) =>
      s.kind === "classwise" ||
      s.kind === "wholeRow" ||
      s.kind === "candidates" ||
      (s.kind === "targetSum" && s.weighting === "targets"),
  );
  const ofLabels = planned.labelFacts.size + pivotsOf(planned);
  return ofKernel + state + 4 * (others.length + lookups.size + inputs.length + ofLabels + 1);
}

function pivotsOf({ views }: Plan): number {
  return [...views.values()].filter(({ pivotOf }) => pivotOf !== undefined).length;
}

/** What sums over candidates cost. */
function explainCandidates(planned: Plan): readonly string[] {
  const sums = [...ofKind(planned, "candidates").values()];
  if (sums.length === 0) return [];
  const sources = new Set(sums.map(({ candidates }) => candidates));
  const names = [...sources].map((source) =>
    source === "given" ? "the K ids that the batch gives" : "the K distinct labels that a sequence has at most",
  );
  const pivots = pivotsOf(planned);
  return [
    `  sums over candidates: ${sums.length}, by arithmetic on [N, K], over ${names.join(" and ")}`,
    ...(pivots === 0 ? [] : [`  views for the highest candidate of a row: ${pivots}, beside those of the label`]),
    `  kept of each candidate: ${4 * (sources.size + pivots)} bytes`,
  ];
}

const stateBytes = 16;
const teacherStateBytes = 8;

/** What a loss over logits does with them. */
function explainLogits(planned: Plan): readonly string[] {
  const statistics = [...planned.statistics.values()];
  const names = statistics.map((s) => (s.kind === "dot" ? (s.table === null ? "dot(1)" : "dot(table)") : s.kind));
  const portable = statistics.filter((s) => s.kind === "classwise").length;
  const wholeRows = statistics.flatMap((s) => (s.kind === "wholeRow" ? [s.of.kind] : []));
  return [
    `  views of the logits: ${planned.views.size}`,
    `  statistics of the logits: ${names.join(", ") || "none"}`,
    `  tables over the vocabulary: ${planned.lookups.size} looked up at the label, ${planned.totals.size} summed, ${planned.wholeTables.size} read whole`,
    ...explainKernel(planned),
    ...(portable === 0
      ? []
      : [`  ordinary ops over [N, V]: ${portable}, for sums over the classes that are not linear in nll`]),
    ...listed("ordinary ops over [N, V], for numbers that need whole rows", wholeRows),
    ...explainCandidates(planned),
    `  kept for the backward pass: ${keptBytes(planned)} bytes a row, beside the logits${planned.teacher ? " and the teacher's" : ""}`,
  ];
}

/** What a loss over values does with their columns. */
function explainValues({ columns, inputs }: Plan): readonly string[] {
  const { forward, through } = columns;
  const numbers = forward.flat();
  const loops = `by one loop of float64 arithmetic a pass: ${forward.length} forward, ${through.length + 1} backward`;
  const by =
    tf.getBackend() === undefined
      ? "by the backend, which is not started yet"
      : isHostBackend()
        ? loops
        : "by ordinary ops over [N, D]";
  return [
    `  numbers over the columns of a row: ${numbers.map(({ aggregate }) => aggregate).join(", ") || "none"}`,
    `  predictions and targets are read ${by}`,
    `  kept for the backward pass: ${4 * (numbers.length + inputs.length + 1)} bytes a row, beside predictions and targets`,
  ];
}

/** A line with a list, if there is anything in it. */
function listed(label: string, items: readonly (string | number)[]): readonly string[] {
  return items.length === 0 ? [] : [`  ${label}: ${items.join(", ")}`];
}

function explainPlan(planned: Plan): string {
  return [
    "plan",
    ...planned.terms.map(
      ({ name, reduction }, i) => `  term ${i + 1}${name === null ? "" : `, ${name}`}: ${reduction}`,
    ),
    ...(planned.targets === "values" ? explainValues(planned) : explainLogits(planned)),
    ...(planned.couplings.length > 0
      ? [`  rows share: ${planned.couplings.join(" and ")}, so that it has no parts`]
      : planned.aggregates
        ? ["  rows share: sums over their sequence"]
        : []),
    ...listed("inputs", planned.inputs),
    ...(planned.teacher ? ["  reads a teacher's logits beside the model's own"] : []),
    ...(planned.probabilities ? ["  reads probabilities, whose logarithm [N, V] is formed first and kept"] : []),
    ...listed("trainable parameters", [...planned.parameters.keys()]),
    ...listed("ignored labels", planned.ignored),
    ...(planned.scheduled ? ["  scheduled: each batch needs its step"] : []),
  ].join("\n");
}
