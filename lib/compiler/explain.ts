/**
 * Says in plain text what a loss is and how it is computed.
 */
import { effectiveSampleSize } from "../frequency/effectiveSampleSize.ts";
import { portableRowStatistics } from "../kernels/portable.ts";
import { evaluateField, type Field, isScheduledField } from "../loss/field.ts";
import type { AnyLoss } from "../loss/loss.ts";
import { finite } from "../loss/schedule.ts";
import { show, showField, showNumber } from "../loss/show.ts";
import { type Plan, plan } from "./plan.ts";

/** Options of `explain`. */
export interface ExplainOptions {
  /** The step at which schedules are evaluated; 0 by default. */
  readonly step?: number;
}

/**
 * A loss in words: its formula; for each weight field its range, what unseen entries get and the effective sample size
 * of the counted tokens; and the plan, which says what is read from the logits.
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
  const planned = plan(loss);
  return [show(loss), ...planned.fields.map((field) => explainField(field, step)), explainPlan(planned)].join("\n\n");
}

function explainField(field: Field, step: number): string {
  const weights = evaluateField(field, step);
  const { counts } = field.source;
  const when = isScheduledField(field) ? ` at step ${step}` : "";
  const lines = [`${showField(field)}: ${weights.length} entries${when}`, `  weights: ${range(weights)}`];
  if (counts === null) return [...lines, "  effective sample size: not known, the field has no counts"].join("\n");
  const unseen = [...weights].filter((_, id) => counts[id] === 0);
  if (unseen.length > 0) {
    lines.push(
      `  never seen: ${unseen.length} entries, ${percent(unseen.length / weights.length)}, weights ${range(unseen)}`,
    );
  }
  const counted = weights.some((weight, id) => weight * counts[id] > 0);
  const size = counted
    ? `${percent(effectiveSampleSize(weights, counts))} of the counted tokens`
    : "not known, nothing was counted";
  return [...lines, `  effective sample size: ${size}`].join("\n");
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

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}

function explainPlan(planned: Plan): string {
  const statistics = [...planned.statistics.values()].map((s) =>
    s.kind === "dot" ? (s.table === null ? "dot(1)" : "dot(table)") : s.kind,
  );
  const terms = planned.terms.map(({ reduction }, i) => `  term ${i + 1}: ${reduction}`);
  return [
    "plan",
    ...terms,
    `  statistics of the logits: ${statistics.join(", ") || "none"}`,
    `  tables over the vocabulary: ${planned.lookups.size} looked up at the label, ${planned.totals.size} summed`,
    `  row statistics: ${portableRowStatistics.name}, from tensorflow.js's own ops`,
    ...(planned.ignored.length > 0 ? [`  ignored labels: ${planned.ignored.join(", ")}`] : []),
    ...(planned.scheduled ? ["  scheduled: each batch needs its step"] : []),
  ].join("\n");
}
