/** Some narrow expressions as one program over the rows, in the language of a device. */
import * as tf from "@tensorflow/tfjs";
import { chooseKernel } from "../kernels/choose.ts";
import type { RowNumbers } from "../kernels/column.ts";
import { expm1Terms, seriesBound } from "../kernels/expm1.ts";
import type { RowDevice, RowLanguage, RowProgram } from "../kernels/rowProgram.ts";
import { webglRows, webglRowsWork } from "../kernels/webgl/rowProgram.ts";
import { webgpuRows } from "../kernels/webgpu/rowProgram.ts";
import {
  type Algebra,
  atomsOf,
  type BinaryOperator,
  type Expression,
  interpreter,
  type UnaryOperator,
} from "../loss/expression.ts";
import { hoistScalars, type LoopAtom, type Scalar, scalarValue } from "./rowLoop.ts";

const unary: Readonly<Record<UnaryOperator, ((x: string, language: RowLanguage) => string) | null>> = {
  exp: (x) => `rowExp(${x})`,
  expm1: (x, language) => {
    const { constant, isLess, select } = language;
    const isSmall = isLess(`abs(${x})`, constant(literal(seriesBound)));
    return select(isSmall, expm1Series(x, language), `rowExp(${x}) - ${constant("1.0")}`);
  },
  log: (x) => `rowLog(${x})`,
  log1p: (x) => `rowLog1p(${x})`,
  softplus: (x) => `rowSoftplus(${x})`,
  sigmoid: (x) => `rowSigmoid(${x})`,
  cos: (x) => `cos(${x})`,
  sin: (x) => `sin(${x})`,
  floor: (x) => `floor(${x})`,
  abs: (x) => `abs(${x})`,
  // Its iterations are ordinary ops.
  lambertW: null,
};

const binary: Readonly<Record<BinaryOperator, (x: string, y: string) => string>> = {
  add: (x, y) => `${x} + ${y}`,
  subtract: (x, y) => `${x} - ${y}`,
  multiply: (x, y) => `${x} * ${y}`,
  divide: (x, y) => `${x} / ${y}`,
  pow: (x, y) => `rowPow(${x}, ${y})`,
  min: (x, y) => `rowMin(${x}, ${y})`,
  max: (x, y) => `rowMax(${x}, ${y})`,
  weigh: (w, x) => `rowWeigh(${w}, ${x})`,
};

/** What does not change from batch to batch. */
interface Source<A> {
  readonly atoms: readonly LoopAtom<A>[];
  /** The text, given what each atom is called. */
  readonly write: (names: readonly string[], language: RowLanguage) => Pick<RowProgram, "statements" | "outputs">;
}

const sources = new WeakMap<object, unknown>();

/** What runs narrow arithmetic as programs of ours: where the kernel of rows of so many classes does, and they do. */
export function rowDevice(classes: number): RowDevice | null {
  const name = tf.getBackend();
  if (name !== "webgpu" && name !== "webgl") return null;
  if (chooseKernel([], classes).because !== null) return null;
  if (name === "webgpu") return webgpuRows;
  return webglRowsWork() ? webglRows : null;
}

/** The program of some expressions, given the meaning of the atoms; null where one has no such form. */
export function rowProgram<A extends { readonly kind: string }>(
  expressions: readonly Expression<A>[],
  meaningOf: (a: A) => number | RowNumbers,
  language: RowLanguage,
): RowProgram | null {
  let source = sources.get(expressions) as Source<A> | null | undefined;
  if (source === undefined) {
    source = sourceOf(expressions);
    sources.set(expressions, source);
  }
  if (source === null) return null;
  const given: RowNumbers[] = [];
  const numbers: number[] = [];
  const nameOf = (value: number | RowNumbers): string => {
    if (typeof value === "number") return `u${numbers.push(value) - 1}`;
    const known = given.findIndex((other) => areSame(other, value));
    return `x${known >= 0 ? known : given.push(value) - 1}`;
  };
  const names = source.atoms.map((a) =>
    nameOf(isHoisted(a) ? scalarValue(a.e, (b) => meaningOf(b) as number) : meaningOf(a)),
  );
  return { given, numbers, ...source.write(names, language) };
}

function areSame(a: RowNumbers, b: RowNumbers): boolean {
  if (a instanceof tf.Tensor || b instanceof tf.Tensor) return a === b;
  return a.within === b.within && a.as === b.as && a.index === b.index;
}

function isHoisted<A extends { readonly kind: string }>(a: LoopAtom<A>): a is Scalar<A> {
  return a.kind === "scalar";
}

function sourceOf<A extends { readonly kind: string }>(expressions: readonly Expression<A>[]): Source<A> | null {
  const hoisted = hoistScalars(expressions, isKnownToHost);
  if (hoisted.some(usesLambertW)) return null;
  const atoms = [...new Set(hoisted.flatMap((e) => atomsOf(e)))];
  return { atoms, write: (names, language) => write(hoisted, atoms, names, language) };
}

/** Parameters are on the device. */
function isKnownToHost({ kind }: { readonly kind: string }): boolean {
  return kind === "step" || kind === "vocabularySize" || kind === "total";
}

function usesLambertW(e: Expression<unknown>): boolean {
  let found = false;
  const seek: Algebra<unknown, true> = {
    constant: () => true,
    atom: () => true,
    unary: (operator) => {
      found ||= unary[operator] === null;
      return true;
    },
    binary: () => true,
    select: () => true,
  };
  interpreter(seek)(e);
  return found;
}

function write<A>(
  expressions: readonly Expression<A>[],
  atoms: readonly A[],
  names: readonly string[],
  language: RowLanguage,
): Pick<RowProgram, "statements" | "outputs"> {
  const statements: string[] = [];
  const define = (value: string): string => {
    const name = `v${statements.length}`;
    statements.push(language.define(name, value));
    return name;
  };
  const algebra: Algebra<A, string> = {
    constant: (value) => language.constant(literal(value)),
    atom: (a) => names[atoms.indexOf(a)],
    unary: (operator, x) => define(unary[operator]?.(x, language) ?? ""),
    binary: (operator, x, y) => define(binary[operator](x, y)),
    select: (left, right, whenLess, otherwise) =>
      define(language.select(language.isLess(left, right), whenLess, otherwise)),
  };
  const meaning = interpreter(algebra);
  const outputs = expressions.map((e) => meaning(e));
  return { statements, outputs };
}

/** x + x²/2 + x³/6 + …, by Horner's rule. */
function expm1Series(x: string, { constant }: RowLanguage): string {
  const of = (term: number): string => constant(literal(term));
  return expm1Terms.reduceRight((sum, term) => `${x} * (${of(term)}${sum === "" ? "" : ` + ${sum}`})`, "");
}

/** A float32 literal. */
function literal(value: number): string {
  const rounded = Math.fround(value);
  if (Number.isNaN(rounded)) return "nan()";
  if (!Number.isFinite(rounded)) return rounded > 0 ? "infinity()" : "(-infinity())";
  const text = `${Math.abs(rounded)}`;
  const digits = /[.e]/.test(text) ? `${text}f` : `${text}.0f`;
  return Object.is(rounded, -0) || rounded < 0 ? `(-${digits})` : digits;
}
