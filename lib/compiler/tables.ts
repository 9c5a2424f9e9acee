import * as tf from "@tensorflow/tfjs";
import type { DotTable } from "../kernels/rowStatistics.ts";
import { LossError } from "../loss/error.ts";
import { atomsOf, interpreter } from "../loss/expression.ts";
import {
  aggregateKinds,
  type Entries,
  entriesAlgebra,
  evaluateKinds,
  type Field,
  fieldVersion,
  isScheduledField,
  kindsOfEntries,
} from "../loss/field.ts";
import type { Kinds } from "../loss/kinds.ts";
import { stepValue } from "../loss/schedule.ts";
import { keyOf, type Table, type TableAtom } from "./narrow.ts";

/** A table folded to numbers, and on the device once it is asked for there. */
interface FoldedTable {
  readonly step: number;
  readonly fields: readonly Field[];
  /** Of its fields together. */
  readonly version: number;
  readonly kinds: Kinds;
  /** A number for each kind, or for all. */
  readonly entries: Entries;
  device: { readonly backend: unknown; readonly table: DotTable } | null;
}

/**
 * The tables of a compiled loss. A constant table is folded once, one with a schedule whenever the step has changed and
 * one whose fields change whenever they have, as a new tensor where its values are others. Device copies live until
 * `dispose`, and are made again after a change of backend.
 */
export class Tables {
  readonly #folded = new Map<string, FoldedTable>();

  /** The sum of a table over the vocabulary. */
  total(table: Table, step: number, classes: number): number {
    const { entries, kinds } = this.#fold(table, step, classes);
    return aggregateKinds("sum", entries, kinds);
  }

  /** The table as a tensor [V] that belongs to this cache. */
  onDevice(table: Table, step: number, classes: number): DotTable {
    const folded = this.#fold(table, step, classes);
    const backend: unknown = tf.backend();
    if (folded.device !== null && folded.device.backend === backend) return folded.device.table;
    const uploaded = upload(folded);
    disposeDevice(folded);
    folded.device = { backend, table: uploaded };
    return uploaded;
  }

  /** Frees the device copies. */
  dispose(): void {
    for (const folded of this.#folded.values()) disposeDevice(folded);
    this.#folded.clear();
  }

  #fold(table: Table, step: number, classes: number): FoldedTable {
    const key = keyOf(table);
    const known = this.#folded.get(key);
    const fields = known?.fields ?? fieldsOf(table);
    // Each version only goes up, so their sum tells any change.
    const version = fields.reduce((sum, field) => sum + fieldVersion(field), 0);
    if (known?.version === version && (known.step === step || !isScheduledTable(table))) return known;
    const kinds = known?.kinds ?? kindsOfEntries(fields, classes);
    const entries = foldTable(table, step, classes, kinds);
    // A schedule that has ended changes nothing any more.
    const same = known !== undefined && sameEntries(known.entries, entries);
    const folded: FoldedTable = { step, fields, version, kinds, entries, device: same ? known.device : null };
    if (known !== undefined && !same) disposeDevice(known);
    this.#folded.set(key, folded);
    return folded;
  }
}

function sameEntries(a: Entries, b: Entries): boolean {
  if (typeof a === "number" || typeof b === "number") return a === b;
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

/** Frees a device copy, unless its backend is gone and has taken it along. */
function disposeDevice({ device }: FoldedTable): void {
  if (device !== null && Object.values(tf.engine().registry).includes(device.backend as tf.KernelBackend)) {
    device.table.tensor.dispose();
  }
}

function isScheduledTable(table: Table): boolean {
  return atomsOf(table).some((a) => a.kind === "step" || (a.kind === "weight" && isScheduledField(a.field)));
}

function fieldsOf(table: Table): readonly Field[] {
  return [...new Set(atomsOf(table).flatMap((a) => (a.kind === "weight" ? [a.field] : [])))];
}

function foldTable(table: Table, step: number, classes: number, kinds: Kinds): Entries {
  const weights = new Map<Field, Float64Array>();
  const meaning = (a: TableAtom): Entries => {
    switch (a.kind) {
      case "step":
        return stepValue(a, step);
      case "vocabularySize":
        return classes;
      case "weight": {
        const known = weights.get(a.field) ?? evaluateKinds(a.field, step, kinds);
        weights.set(a.field, known);
        return known;
      }
    }
  };
  return interpreter(entriesAlgebra(meaning))(table);
}

function upload({ entries, kinds }: FoldedTable): DotTable {
  const exact = typeof entries === "number" ? new Float64Array(kinds.first.length).fill(entries) : entries;
  const rounded = new Float32Array(exact);
  for (let kind = 0; kind < rounded.length; kind++) {
    const value = rounded[kind];
    if (Number.isFinite(value) && (value !== 0 || exact[kind] === 0)) continue;
    throw new LossError(
      "weights",
      `the weight of id ${kinds.first[kind]} is ${exact[kind]}, which float32 cannot hold`,
      'Bring the weights into range, with normalise("max") or clip(lo, hi)',
    );
  }
  const { of } = kinds;
  const values = new Float32Array(of.length);
  for (let id = 0; id < values.length; id++) values[id] = rounded[of[id]];
  const support = rounded.includes(0) ? Int32Array.from(values.keys()).filter((id) => values[id] !== 0) : null;
  return { tensor: tf.keep(tf.tensor1d(values)), support };
}
