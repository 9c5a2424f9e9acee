/**
 * Some narrow expressions as one loop over typed arrays, for backends whose memory the host reads without waiting. The loop
 * is generated as source; where a content security policy forbids that, the expressions are interpreted row by row.
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
/** What an atom is for a batch: a number, or one for each row. */
export type RowInput = number | Float32Array;

/** A part of an expression that is one number for the whole batch: a schedule is evaluated once. */
export interface Scalar<A> {
  readonly kind: "scalar";
  readonly e: Expression<A>;
}

export type LoopAtom<A> = A | Scalar<A>;

/** Evaluates some expressions for `count` rows, given the inputs of `atoms` in order. */
export interface RowLoop<A> {
  readonly atoms: readonly LoopAtom<A>[];
  /** One array for each expression. */
  readonly rows: (inputs: readonly RowInput[], count: number) => readonly Float32Array[];
  /** The sum over the rows for each expression. */
  readonly totals: (inputs: readonly RowInput[], count: number) => readonly number[];
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

export function rowLoop<A extends { readonly kind: string }>(
  expressions: readonly Expression<A>[],
  form: LoopForm = defaultForm,
): RowLoop<A> {
  const hoisted = hoistScalars(expressions, isScalar);
  const atoms = [...new Set(hoisted.flatMap((e) => atomsOf(e)))];
  return { atoms, ...(form === "generated" ? generated(hoisted, atoms) : interpreted(hoisted, atoms)) };
}

/** Makes one atom of each part that is one number for the batch, known to the host before the loop. */
export function hoistScalars<A>(
  expressions: readonly Expression<A>[],
  isKnown: (a: A) => boolean,
): readonly Expression<A | Scalar<A>>[] {
  const known = new Map<Expression<A>, Expression<A | Scalar<A>>>();
  const hoist = (node: Expression<A>): Expression<A | Scalar<A>> | null => {
    if (node.kind === "constant" || !atomsOf(node).every(isKnown)) return null;
    const scalar = known.get(node) ?? atom<A | Scalar<A>>({ kind: "scalar", e: node });
    known.set(node, scalar);
    return scalar;
  };
  return expressions.map((e) => substitute<A, A | Scalar<A>>(e, atom, hoist));
}

function isScalar({ kind }: { readonly kind: string }): boolean {
  return kind === "step" || kind === "vocabularySize" || kind === "parameter" || kind === "total";
}

/** The value of a part that is one number, given the values of its atoms. */
export function scalarValue<A>(e: Expression<A>, numberOf: (a: A) => number): number {
  return interpreter(numberAlgebra(numberOf))(e);
}

type Runs = Pick<RowLoop<unknown>, "rows" | "totals">;

function interpreted<A>(expressions: readonly Expression<A>[], atoms: readonly A[]): Runs {
  const visitRows = (
    inputs: readonly RowInput[],
    count: number,
    take: (i: number, row: number, x: number) => void,
  ): void => {
    for (let row = 0; row < count; row++) {
      const numberOf = (a: A): number => {
        const input = inputs[atoms.indexOf(a)];
        return typeof input === "number" ? input : input[row];
      };
      const meaning = interpreter(numberAlgebra(numberOf));
      expressions.forEach((e, i) => {
        take(i, row, meaning(e));
      });
    }
  };
  return {
    rows: (inputs, count) => {
      const outputs = expressions.map(() => new Float32Array(count));
      visitRows(inputs, count, (i, row, x) => {
        outputs[i][row] = x;
      });
      return outputs;
    },
    totals: (inputs, count) => {
      const totals = expressions.map(() => 0);
      visitRows(inputs, count, (i, _, x) => {
        totals[i] += x;
      });
      return totals;
    },
  };
}

// --------------------------------------------------------------------------------------------------------- generated

type Functions = Readonly<Record<UnaryOperator | BinaryOperator, (...x: number[]) => number>>;
const functions = { ...unaryNumber, ...binaryNumber } as Functions;

function generated<A>(expressions: readonly Expression<A>[], atoms: readonly A[]): Runs {
  const cache = new Map<string, Loop>();
  const loopFor = (inputs: readonly RowInput[], output: Output): Loop => {
    // A loop for each pattern of numbers and arrays among the inputs; in practice one.
    const pattern = inputs.map((input) => (typeof input === "number" ? "n" : "a")).join("");
    const key = `${output} ${pattern}`;
    const loop = cache.get(key) ?? generate(expressions, atoms, pattern, output);
    cache.set(key, loop);
    return loop;
  };
  return {
    rows: (inputs, count) => {
      const outputs = expressions.map(() => new Float32Array(count));
      loopFor(inputs, "rows")(inputs, outputs, count, functions);
      return outputs;
    },
    totals: (inputs, count) => loopFor(inputs, "totals")(inputs, [], count, functions),
  };
}

type Output = "rows" | "totals";

type Loop = (
  inputs: readonly RowInput[],
  outputs: readonly Float32Array[],
  count: number,
  f: Functions,
) => readonly number[];

function generate<A>(
  expressions: readonly Expression<A>[],
  atoms: readonly A[],
  pattern: string,
  output: Output,
): Loop {
  const statements: string[] = [];
  const define = (value: string): string => {
    const name = `v${statements.length}`;
    statements.push(`const ${name} = ${value};`);
    return name;
  };
  const infix: Partial<Record<BinaryOperator, string>> = { add: "+", subtract: "-", multiply: "*", divide: "/" };
  const algebra: Algebra<A, string> = {
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
  const meaning = interpreter(algebra);
  const results = expressions.map((e) => meaning(e));
  const inputs = atoms.map((_, index) => `const i${index} = inputs[${index}];`);
  const targets = results.map((_, i) => (output === "rows" ? `const o${i} = outputs[${i}];` : `let t${i} = 0;`));
  const take = results.map((result, i) => (output === "rows" ? `  o${i}[row] = ${result};` : `  t${i} += ${result};`));
  const source = [
    ...inputs,
    ...targets,
    "for (let row = 0; row < count; row++) {",
    ...statements.map((statement) => `  ${statement}`),
    ...take,
    "}",
    `return [${output === "totals" ? results.map((_, i) => `t${i}`).join(", ") : ""}];`,
  ].join("\n");
  return new Function("inputs", "outputs", "count", "f", source) as Loop;
}

/** A number as source. */
export function numeral(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return Number.isFinite(value) ? (Object.is(value, -0) ? "-0" : String(value)) : value > 0 ? "Infinity" : "-Infinity";
}
