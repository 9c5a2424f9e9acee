/**
 * Expressions over the columns of values as one loop over typed arrays, for backends whose memory the host reads
 * without waiting. The loop is generated as source; where a content security policy forbids that, the expressions are
 * interpreted column by column. Arithmetic is in float64, from float32 values to a float32 result.
 */
import * as tf from "@tensorflow/tfjs";
import { atomsOf, type Expression, interpreter } from "../loss/expression.ts";
import type { ColumnAggregate } from "../loss/loss.ts";
import { numberAlgebra, stepValue } from "../loss/schedule.ts";
import { isInPart } from "../loss/values.ts";
import type { ColumnRunner, ColumnState } from "./columnRunner.ts";
import {
  type ColumnInput,
  type ColumnLoopAtom,
  type ColumnRun,
  generateColumns,
  isOfColumn,
  type LoopOutput,
  nameOf,
} from "./columnSource.ts";
import type { RunExpression } from "./columns.ts";
import { positions } from "./positions.ts";
import { defaultForm, hoistScalars, type LoopForm, scalarValue } from "./rowLoop.ts";

/** An expression, and what is made of it over the columns of a row: one number, or it in each. */
export interface ColumnOutput {
  readonly aggregate: ColumnAggregate | "each";
  readonly body: RunExpression;
}

/** Evaluates some expressions, given the inputs of `atoms` in order. */
export interface ColumnLoop {
  readonly atoms: readonly ColumnLoopAtom[];
  /** An array for each expression, [rows] or [rows · columns]; 0 in rows where `read` is 0. */
  readonly run: (
    inputs: readonly ColumnInput[],
    rows: number,
    columns: number,
    read: Uint8Array | null,
  ) => readonly Float32Array[];
}

export function loopColumns(state: ColumnState): ColumnRunner {
  const { rows, predictions } = state;
  const columns = predictions.shape[1];
  const read = rows.read === null ? null : Uint8Array.from(rows.read.tensor.dataSync());
  const run = (outputs: readonly ColumnOutput[]): readonly Float32Array[] => {
    const loop = loops.get(outputs) ?? columnLoop(outputs);
    loops.set(outputs, loop);
    const inputs = loop.atoms.map((a) => inputOf(a, state));
    return loop.run(inputs, rows.count, columns, read);
  };
  return {
    rows: (numbers) => run(numbers).map((values) => tf.tensor1d(values)),
    each: (e) => tf.tensor2d(run(eachOf(e))[0], [rows.count, columns]),
  };
}

/** By the list that is asked for: those of a plan are the same at each call. */
const loops = new WeakMap<readonly ColumnOutput[], ColumnLoop>();
const lists = new WeakMap<RunExpression, readonly ColumnOutput[]>();

function eachOf(body: RunExpression): readonly ColumnOutput[] {
  const known = lists.get(body) ?? [{ aggregate: "each", body }];
  lists.set(body, known);
  return known;
}

function inputOf(a: ColumnLoopAtom, state: ColumnState): ColumnInput {
  const { rows, predictions, parameters, numbers, cotangents } = state;
  const arrayOf = (tensor: tf.Tensor | null | undefined): Float32Array =>
    (tensor as tf.Tensor).dataSync<"float32">() as Float32Array;
  switch (a.kind) {
    case "scalar":
      return scalarValue(a.e, (b) => inputOf(b, state) as number);
    case "step":
      return stepValue(a, rows.step);
    case "parameter":
      return arrayOf(parameters.get(a.name))[0];
    case "columnCount":
      return predictions.shape[1];
    case "prediction":
      return arrayOf(predictions);
    case "target":
      return arrayOf(rows.targets);
    case "input":
      return arrayOf(rows.inputs.get(a.name));
    case "position":
      return arrayOf(positions(rows));
    case "columns":
      return arrayOf(numbers.get(a.key));
    case "cotangent":
      return arrayOf(cotangents.get(a.key));
    case "part":
    case "isHighest":
      throw new Error("unreachable: a comparison is no input");
  }
}

// ------------------------------------------------------------------------------------------------------------- loops

export function columnLoop(outputs: readonly ColumnOutput[], form: LoopForm = defaultForm): ColumnLoop {
  const bodies = hoistScalars(
    outputs.map(({ body }) => body),
    (a) => a.kind === "step" || a.kind === "parameter" || a.kind === "columnCount",
  );
  const hoisted = outputs.map(({ aggregate }, i): LoopOutput => ({ aggregate, body: bodies[i] }));
  const atoms = new Map(bodies.flatMap((body) => inputAtomsOf(body).map((a) => [nameOf(a), a])));
  const names = [...atoms.keys()];
  const run = form === "generated" ? generateColumns(hoisted, names) : interpretColumns(hoisted, names);
  return {
    atoms: [...atoms.values()],
    run: (inputs, rows, columns, read) => {
      const results = outputs.map(({ aggregate }) => new Float32Array(aggregate === "each" ? rows * columns : rows));
      run(inputs, results, rows, columns, read);
      return results;
    },
  };
}

function inputAtomsOf(e: Expression<ColumnLoopAtom>): readonly ColumnLoopAtom[] {
  return atomsOf(e).flatMap((a) => {
    if (a.kind === "part") return [];
    return a.kind === "isHighest" ? [a.body, a.maximum].flatMap(inputAtomsOf) : [a];
  });
}

function interpretColumns(outputs: readonly LoopOutput[], names: readonly string[]): ColumnRun {
  return (inputs, results, rows, columns, read) => {
    const visitAt = (row: number, column: number): ((e: Expression<ColumnLoopAtom>) => number) => {
      const numberOf = (a: ColumnLoopAtom): number => {
        if (a.kind === "part") return isInPart(a, column, columns);
        if (a.kind === "isHighest") return Math.fround(visit(a.body)) === visit(a.maximum) ? 1 : 0;
        const input = inputs[names.indexOf(nameOf(a))];
        if (typeof input === "number") return input;
        return input[isOfColumn(a) ? row * columns + column : row];
      };
      const visit = interpreter(numberAlgebra(numberOf));
      return visit;
    };
    for (let row = 0; row < rows; row++) {
      if (read !== null && read[row] === 0) continue;
      const visits = Array.from({ length: columns }, (_, column) => visitAt(row, column));
      outputs.forEach(({ aggregate, body }, i) => {
        const values = visits.map((visit) => visit(body));
        if (aggregate === "each") results[i].set(values, row * columns);
        else if (aggregate === "max") results[i][row] = values.reduce((a, b) => Math.max(a, b));
        else results[i][row] = values.reduce((a, b) => a + b, 0) / (aggregate === "mean" ? columns : 1);
      });
    }
  };
}
