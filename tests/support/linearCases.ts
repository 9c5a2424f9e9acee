/** Random hidden states and output layers whose logits are exact in float32, with random compositions on them. */
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  type AnyLoss,
  compileLinear,
  evaluate,
  evaluateGradient,
  type KernelShape,
  type LinearBatch,
  type Loss,
  LossError,
  type PlainBatch,
} from "lossmith";
import {
  batches,
  type Case,
  type Composition,
  compositions,
  nest,
  perTokenCompositions,
  type RandomBatch,
} from "./arbitraries.ts";
import { candidateCases } from "./candidateCases.ts";
import { distance, flat } from "./distance.ts";
import { gradientSize, valueSize } from "./gradientSize.ts";

/** Numbers in rows. */
type Matrix = readonly (readonly number[])[];

interface Layer {
  /** [N, D]. */
  readonly hidden: Matrix;
  /** [D, V]. */
  readonly kernel: Matrix;
  readonly bias: readonly number[] | null;
}

export interface LinearCase {
  readonly composition: Composition;
  readonly batch: RandomBatch;
  readonly layer: Layer;
  readonly teacher: Layer;
  readonly form: {
    readonly kernelShape: KernelShape;
    readonly tileRows: number | null;
    readonly tileColumns: number | null;
    /** Whether the kernel comes in two pieces. */
    readonly split: boolean;
    /** Whether soft labels come as ids and probabilities. */
    readonly sparse: boolean;
    /** Whether a teacher comes as a layer. */
    readonly teacherLayer: boolean;
    readonly labelsOnDevice: boolean;
  };
}

const width = 3;

/** Eighths up to 2: products of two and sums of three of these are exact. */
const eighths = fc.integer({ min: -16, max: 16 }).map((n) => n / 8);

function layers(rows: number, classes: number): fc.Arbitrary<Layer> {
  const matrix = (height: number, columns: number): fc.Arbitrary<Matrix> =>
    fc.array(fc.array(eighths, { minLength: columns, maxLength: columns }), { minLength: height, maxLength: height });
  return fc.record({
    hidden: matrix(rows, width),
    kernel: matrix(width, classes),
    bias: fc.option(fc.array(eighths, { minLength: classes, maxLength: classes })),
  });
}

/** A composition with a batch, whose logits are those of a layer. */
const composed: fc.Arbitrary<Case> = fc.integer({ min: 2, max: 7 }).chain((classes) =>
  fc.record({
    composition: fc.oneof(
      { weight: 6, arbitrary: compositions(classes) },
      { weight: 1, arbitrary: perTokenCompositions(classes) },
    ),
    batch: batches(classes, fc.constant(0), { soft: true }),
  }),
);

export const linearCases: fc.Arbitrary<LinearCase> = fc
  .oneof(
    { weight: 5, arbitrary: composed },
    { weight: 1, arbitrary: candidateCases.filter(({ batch }) => batch.classes > 1) },
  )
  .chain(({ composition, batch }) => {
    const { shape, classes } = batch;
    const rows = shape.reduce((product, n) => product * n, 1);
    return fc.record({
      composition: fc.constant(composition),
      batch: fc.constant(batch),
      layer: layers(rows, classes),
      teacher: layers(rows, classes),
      form: fc.record({
        kernelShape: fc.constantFrom<KernelShape>("[D, V]", "[V, D]"),
        tileRows: fc.option(fc.integer({ min: 1, max: 5 })),
        tileColumns: fc.option(fc.integer({ min: 1, max: classes + 1 })),
        split: fc.boolean(),
        sparse: fc.boolean(),
        teacherLayer: fc.boolean(),
        labelsOnDevice: fc.boolean(),
      }),
    });
  });

function logitsOf({ hidden, kernel, bias }: Layer): number[][] {
  return hidden.map((row) =>
    kernel[0].map((_, c) => row.reduce((sum, h, d) => sum + h * kernel[d][c], bias?.[c] ?? 0)),
  );
}

/** The batch with the layers' logits, for the reference. */
function plainOf({ batch, layer, teacher }: LinearCase): PlainBatch {
  const { shape, classes, plain } = batch;
  const nested = (of: Layer): PlainBatch["logits"] =>
    nest(logitsOf(of).flat(), [...shape, classes]) as PlainBatch["logits"];
  return { ...plain, logits: nested(layer), teacher: nested(teacher) };
}

/** A value with the gradients of the sum of its entries. */
interface Outcome {
  readonly value: readonly number[];
  readonly hidden: readonly number[];
  readonly kernel: readonly number[];
  readonly bias: readonly number[];
}

function expected(one: LinearCase): Outcome | string {
  const { loss } = one.composition;
  const { hidden, kernel } = one.layer;
  try {
    const plain = plainOf(one);
    const value = flat(evaluate(loss as never, plain as never));
    const g = flat(evaluateGradient(loss, plain as never));
    const { classes } = one.batch;
    const at = (row: number, c: number): number => g[row * classes + c];
    return {
      value,
      hidden: hidden.flatMap((_, row) => kernel.map((ks) => ks.reduce((sum, k, c) => sum + at(row, c) * k, 0))),
      kernel: kernel.flatMap((ks, d) => ks.map((_, c) => hidden.reduce((sum, hs, row) => sum + hs[d] * at(row, c), 0))),
      bias: kernel[0].map((_, c) => hidden.reduce((sum, _row, row) => sum + at(row, c), 0)),
    };
  } catch (error) {
    if (error instanceof LossError) return error.message;
    throw error;
  }
}

const transposed = (matrix: Matrix): Matrix => matrix[0].map((_, c) => matrix.map((row) => row[c]));

/** The tensors of a layer, and how its gradient for the kernel is laid out. */
function tensorsOf(
  { hidden, kernel, bias }: Layer,
  shape: readonly number[],
  { kernelShape, split }: LinearCase["form"],
): { readonly hidden: tf.Tensor; readonly pieces: tf.Tensor2D[]; readonly bias: tf.Tensor1D | null } {
  const pieces = split ? [kernel.slice(0, 1), kernel.slice(1)] : [kernel];
  return {
    hidden: tf.tensor(hidden.flat(), [...shape, width], "float32"),
    pieces: pieces.map((piece) => {
      const laid = kernelShape === "[D, V]" ? piece : transposed(piece);
      return tf.tensor2d(laid.flat(), [laid.length, laid[0].length]);
    }),
    bias: bias === null ? null : tf.tensor1d([...bias]),
  };
}

async function computed(one: LinearCase): Promise<Outcome> {
  const { composition, batch, layer, teacher, form } = one;
  const { shape, classes, plain } = batch;
  const compiled = compileLinear(composition.loss as Loss<"logits", "already reduced">, {
    kernelShape: form.kernelShape,
    ...(form.tileRows === null ? {} : { tileRows: form.tileRows }),
    ...(form.tileColumns === null ? {} : { tileColumns: form.tileColumns }),
  });
  const made: tf.Tensor[] = [...compiled.variables.values()];
  const keep = <T extends tf.Tensor>(x: T): T => {
    made.push(x);
    return x;
  };
  try {
    const own = tensorsOf(layer, shape, form);
    const other = tensorsOf(teacher, shape, form);
    for (const x of [own, other]) [x.hidden, ...x.pieces, ...(x.bias === null ? [] : [x.bias])].forEach(keep);
    const kernelOf = (pieces: tf.Tensor2D[]): LinearBatch["kernel"] => (pieces.length === 1 ? pieces[0] : pieces);
    const labels = labelsOf(plain.labels, shape, classes, form);
    if (labels instanceof tf.Tensor) keep(labels);
    const biased = own.bias !== null;
    const lossOf = (...[hidden, ...rest]: tf.Tensor[]): tf.Tensor => {
      const pieces = rest.slice(0, own.pieces.length) as tf.Tensor2D[];
      return compiled({
        ...plain,
        ...{ labels, hidden, kernel: kernelOf(pieces) },
        ...(biased ? { bias: rest[own.pieces.length] } : {}),
        teacher: form.teacherLayer
          ? {
              ...{ hidden: other.hidden, kernel: kernelOf(other.pieces) },
              ...(other.bias === null ? {} : { bias: other.bias }),
            }
          : (plainOf(one).teacher as never),
      } as unknown as LinearBatch);
    };
    const inputs = [own.hidden, ...own.pieces, ...(own.bias === null ? [] : [own.bias])];
    const value = keep(lossOf(...inputs));
    const gradients = tf
      .grads(lossOf)(inputs, keep(tf.ones(value.shape)))
      .map(keep);
    const numbers = await Promise.all(gradients.map(async (x) => [...(await x.data())]));
    const pieces = numbers.slice(1, 1 + own.pieces.length);
    return {
      value: [...(await value.data())],
      hidden: numbers[0],
      kernel: pieces.flatMap((piece, i) => inRows(piece, own.pieces[i].shape, form.kernelShape)),
      bias: biased ? numbers[numbers.length - 1] : [],
    };
  } finally {
    compiled.dispose();
    tf.dispose(made);
  }
}

/** A piece's gradient as rows of D. */
function inRows(values: readonly number[], [rows, columns]: number[], kernelShape: KernelShape): readonly number[] {
  if (kernelShape === "[D, V]") return values;
  return Array.from({ length: columns }, (_, c) =>
    Array.from({ length: rows }, (_row, row) => values[row * columns + c]),
  ).flat();
}

function labelsOf(
  labels: PlainBatch["labels"],
  shape: readonly number[],
  classes: number,
  { sparse, labelsOnDevice }: LinearCase["form"],
): LinearBatch["labels"] {
  const values = flat(labels);
  const rows = shape.reduce((product, n) => product * n, 1);
  const soft = rows > 0 && values.length > rows;
  if (!soft) {
    return labelsOnDevice ? tf.tensor(values, [...shape], "int32") : (labels as LinearBatch["labels"]);
  }
  if (!sparse) return labels as LinearBatch["labels"];
  // Each row's classes in another order, the first in two halves.
  const order = (row: number): number[] => Array.from({ length: classes }, (_, c) => (c + row) % classes);
  const ids = Array.from({ length: rows }, (_, row) => [...order(row), row % classes]);
  const probabilities = ids.map((of, row) =>
    of.map((c) => (c === row % classes ? 0.5 : 1) * values[row * classes + c]),
  );
  return {
    ids: nest(ids.flat(), [...shape, classes + 1]) as number[],
    probabilities: nest(probabilities.flat(), [...shape, classes + 1]) as number[],
  };
}

/** The distance of value and gradients from the reference's, or what was said of a batch that it refuses. */
export async function linearAgreement(
  one: LinearCase,
): Promise<Readonly<Record<keyof Outcome, number>> | { readonly refused: string; readonly compiled: string }> {
  const reference = expected(one);
  const run = computed(one);
  if (typeof reference === "string") {
    const compiled = await run.then(
      () => "no error",
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    return { refused: reference, compiled };
  }
  const outcome = await run;
  const plain = plainOf(one);
  const { loss } = one.composition;
  const [ofValue, ofGradient] = [valueSize, gradientSize].map((size) =>
    Math.max(1e-33, size(loss as AnyLoss, plain as never)),
  );
  const largest = (matrix: Matrix): number => matrix.flat().reduce((max, x) => Math.max(max, Math.abs(x)), 0.125);
  return {
    value: distance(outcome.value, reference.value, ofValue),
    hidden: distance(outcome.hidden, reference.hidden, ofGradient * largest(one.layer.kernel)),
    kernel: distance(outcome.kernel, reference.kernel, ofGradient * largest(one.layer.hidden)),
    bias: one.layer.bias === null ? 0 : distance(outcome.bias, reference.bias, ofGradient),
  };
}
