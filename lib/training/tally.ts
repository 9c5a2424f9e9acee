/** Adds up what was read of batches, and makes logs of it. */
import { at } from "../loss/schedule.ts";
import { type Head, type HeadReadings, prefixes, termValues } from "./objective.ts";

/** Sums over batches. */
export interface Tally {
  /** Adds a batch that was measured at a step. `penalty` is what the model's regularizers add to the loss. */
  add(readings: readonly HeadReadings[], penalty: number, step: number): void;
  /** How many batches were added. */
  readonly batches: number;
  /**
   * The loss over all rows that were added, as if they were one batch; that of each output, of each named term, and the
   * metrics. "tokens" are the valid rows.
   */
  logs(): Record<string, number>;
}

/** The names of what logs have, whatever the batches are. */
export function logNames(heads: readonly Head[]): readonly string[] {
  const prefixed = prefixes(heads);
  const ofHeads = heads.flatMap(({ terms, measures }, i) => {
    const own = [...(heads.length > 1 ? ["loss"] : []), ...terms, ...measures.map(({ name }) => name), "tokens"];
    return own.map((name) => prefixed[i] + name);
  });
  return ["loss", ...ofHeads];
}

export function tallyOf(heads: readonly Head[]): Tally {
  const prefixed = prefixes(heads);
  const sums = heads.map(() => ({
    numerators: [] as number[],
    weighted: [] as number[],
    denominators: [] as number[],
    rows: 0,
    measures: [] as number[][],
  }));
  let penalties = 0;
  let batches = 0;
  return {
    get batches() {
      return batches;
    },
    add: (readings, penalty, step) => {
      batches++;
      penalties += penalty;
      readings.forEach(({ numerators, denominators, rows, measures }, i) => {
        const sum = sums[i];
        const weight = at(heads[i].weight, step);
        addTo(sum.numerators, numerators);
        addTo(sum.weighted, numerators, weight);
        addTo(sum.denominators, denominators);
        sum.rows += rows;
        measures.forEach((values, m) => {
          sum.measures[m] ??= [];
          addTo(sum.measures[m], values);
        });
      });
    },
    logs: () => {
      if (batches === 0) return {};
      const logs: Record<string, number> = { loss: penalties / batches };
      heads.forEach((head, i) => {
        const { numerators, weighted, denominators, measures, rows } = sums[i];
        const prefix = prefixed[i];
        logs["loss"] += total(termValues(head, weighted, denominators));
        const terms = termValues(head, numerators, denominators);
        if (heads.length > 1) logs[`${prefix}loss`] = total(terms);
        head.terms.forEach((name, t) => {
          logs[prefix + name] = terms[t];
        });
        head.measures.forEach(({ name, measure }, m) => {
          logs[prefix + name] = measure.value(measures[m]);
        });
        logs[`${prefix}tokens`] = rows;
      });
      if (penalties !== 0) logs["regularization"] = penalties / batches;
      return logs;
    },
  };
}

function addTo(sums: number[], values: readonly number[], factor = 1): void {
  values.forEach((value, i) => {
    sums[i] = (sums[i] ?? 0) + factor * value;
  });
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
