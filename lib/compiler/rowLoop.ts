/**
 * Narrow expressions as one loop over typed arrays, for backends whose memory the host reads without waiting. The loop
 * is generated as source; where a content security policy forbids that, the expression is interpreted row by row.
 * Arithmetic is in float64, from float32 statistics to a float32 result.
 */
import {
  type Algebra,
  atom,
  atomsOf,
  type BinaryOperator,
  binaryNumber,
  type Expression,
  interpreter,
  substitute,
  type UnaryOperator,
  unaryNumber,
} from "../loss/expression.ts";
import { numberAlgebra } from "../loss/schedule.ts";
import type { Narrow, NarrowAtom } from "./narrow.ts";

/** What an atom is for a batch: a number, or one for each row. */
export type RowInput = number | Float32Array;

/** An atom, or a part of an expression that is one number for the whole batch: a schedule is evaluated once. */
type LoopAtom = NarrowAtom | { readonly kind: "scalar"; readonly e: Narrow };

/** Evaluates an expression for `count` rows, given the inputs of `atoms` in order. */
export interface RowLoop {
  readonly atoms: readonly LoopAtom[];
  readonly run: (inputs: readonly RowInput[], count: number) => Float32Array;
}

/** How expressions become loops. */
export type LoopForm = "generated" | "interpreted";

/** "generated" unless a content security policy forbids making functions from source. */
export const defaultForm: LoopForm = canGenerate() ? "generated" : "interpreted";

function canGenerate(): boolean {
  try {
    return new Function("return true")() === true;
  } catch {
    return false;
  }
}

export function rowLoop(e: Narrow, form: LoopForm = defaultForm): RowLoop {
  const hoisted = hoistScalars(e);
  const atoms = atomsOf(hoisted);
  return { atoms, run: form === "generated" ? generated(hoisted, atoms) : interpreted(hoisted, atoms) };
}

function hoistScalars(e: Narrow): Expression<LoopAtom> {
  return substitute<NarrowAtom, LoopAtom>(e, atom, (node) =>
    node.kind !== "constant" && atomsOf(node).every(isScalar) ? atom({ kind: "scalar", e: node }) : null,
  );
}

function isScalar(a: NarrowAtom): boolean {
  return a.kind === "step" || a.kind === "vocabularySize" || a.kind === "parameter" || a.kind === "total";
}

/** The value of a part that is one number, given the values of its atoms. */
export function scalarValue(e: Narrow, numberOf: (a: NarrowAtom) => number): number {
  return interpreter(numberAlgebra(numberOf))(e);
}

function interpreted(e: Expression<LoopAtom>, atoms: readonly LoopAtom[]): RowLoop["run"] {
  return (inputs, count) =>
    Float32Array.from({ length: count }, (_, row) => {
      const numberOf = (a: LoopAtom): number => {
        const input = inputs[atoms.indexOf(a)];
        return typeof input === "number" ? input : input[row];
      };
      return interpreter(numberAlgebra(numberOf))(e);
    });
}

// --------------------------------------------------------------------------------------------------------- generated

type Functions = Readonly<Record<UnaryOperator | BinaryOperator, (...x: number[]) => number>>;
const functions = { ...unaryNumber, ...binaryNumber } as Functions;

function generated(e: Expression<LoopAtom>, atoms: readonly LoopAtom[]): RowLoop["run"] {
  const cache = new Map<string, ReturnType<typeof generate>>();
  return (inputs, count) => {
    // A loop for each pattern of numbers and arrays among the inputs; in practice one.
    const pattern = inputs.map((input) => (typeof input === "number" ? "n" : "a")).join("");
    const loop = cache.get(pattern) ?? generate(e, atoms, pattern);
    cache.set(pattern, loop);
    const output = new Float32Array(count);
    loop(inputs, output, functions);
    return output;
  };
}

type Loop = (inputs: readonly RowInput[], output: Float32Array, f: Functions) => void;

function generate(e: Expression<LoopAtom>, atoms: readonly LoopAtom[], pattern: string): Loop {
  const statements: string[] = [];
  const define = (value: string): string => {
    const name = `v${statements.length}`;
    statements.push(`const ${name} = ${value};`);
    return name;
  };
  const infix: Partial<Record<BinaryOperator, string>> = { add: "+", subtract: "-", multiply: "*", divide: "/" };
  const algebra: Algebra<LoopAtom, string> = {
    constant: (value) => (value < 0 || Object.is(value, -0) ? `(${numeral(value)})` : numeral(value)),
    atom: (a) => {
      const index = atoms.indexOf(a);
      return pattern[index] === "a" ? `i${index}[row]` : `i${index}`;
    },
    unary: (operator, x) => define(`f.${operator}(${x})`),
    binary: (operator, x, y) => {
      const symbol = infix[operator];
      if (operator === "weigh") return define(`${x} === 0 ? 0 : ${x} * ${y}`);
      return define(symbol === undefined ? `f.${operator}(${x}, ${y})` : `${x} ${symbol} ${y}`);
    },
    select: (left, right, whenLess, otherwise) => define(`${left} < ${right} ? ${whenLess} : ${otherwise}`),
  };
  const result = interpreter(algebra)(e);
  const inputs = atoms.map((_, index) => `const i${index} = inputs[${index}];`);
  const source = [
    ...inputs,
    "for (let row = 0; row < output.length; row++) {",
    ...statements.map((statement) => `  ${statement}`),
    `  output[row] = ${result};`,
    "}",
  ].join("\n");
  return new Function("inputs", "output", "f", source) as Loop;
}

function numeral(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return Number.isFinite(value) ? (Object.is(value, -0) ? "-0" : String(value)) : value > 0 ? "Infinity" : "-Infinity";
}
