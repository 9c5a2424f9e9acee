/**
 * Expressions over the columns as the source of one loop. What is the same in all columns of a row is computed once for
 * it; what is used once stands where it is used, so that the branch of a choice that is not taken costs nothing.
 */
import {
  type BinaryOperator,
  binaryNumber,
  type Expression,
  type UnaryOperator,
  unaryNumber,
} from "../loss/expression.ts";
import type { ColumnAggregate } from "../loss/loss.ts";
import type { RunAtom } from "./columns.ts";
import { numeral, type Scalar } from "./rowLoop.ts";

/** What a loop reads; a comparison with a maximum is made of what is inside it. */
export type ColumnLoopAtom = RunAtom | Scalar<RunAtom>;

type Node = Expression<ColumnLoopAtom>;

export interface LoopOutput {
  readonly aggregate: ColumnAggregate | "each";
  readonly body: Node;
}

/** What an atom is for a batch: one number, or some for each row or each column. */
export type ColumnInput = number | Float32Array;

/** Fills the results from the inputs. */
export type ColumnRun = (
  inputs: readonly ColumnInput[],
  results: readonly Float32Array[],
  rows: number,
  columns: number,
  read: Uint8Array | null,
) => void;

const numbers = new WeakMap<object, number>();
let count = 0;

/** The same text for atoms that are the same input. */
export function nameOf(a: ColumnLoopAtom): string {
  if (a.kind === "step" || a.kind === "scalar") {
    const number = numbers.get(a) ?? count++;
    numbers.set(a, number);
    return `${a.kind} ${number}`;
  }
  return `${a.kind} ${"key" in a ? a.key : "name" in a ? a.name : ""}`;
}

/** Whether an atom differs between the columns of a row. */
export function isOfColumn({ kind }: ColumnLoopAtom): boolean {
  return kind === "prediction" || kind === "target";
}

function isOfBatch({ kind }: ColumnLoopAtom): boolean {
  return kind === "step" || kind === "parameter" || kind === "columnCount" || kind === "scalar";
}

type Functions = Readonly<Record<UnaryOperator | BinaryOperator, (...x: number[]) => number>>;
const functions = { ...unaryNumber, ...binaryNumber } as Functions;

const infix: Partial<Record<BinaryOperator, string>> = { add: "+", subtract: "-", multiply: "*", divide: "/" };

/** A piece of source, and whether it differs between the columns of a row. */
interface Code {
  readonly text: string;
  readonly ofColumn: boolean;
}

export function generateColumns(outputs: readonly LoopOutput[], names: readonly string[]): ColumnRun {
  const source = sourceOf(outputs, names);
  const run = new Function("inputs", "results", "rows", "columns", "read", "f", source);
  return (inputs, results, rows, columns, read) => run(inputs, results, rows, columns, read, functions);
}

function sourceOf(outputs: readonly LoopOutput[], names: readonly string[]): string {
  const statements = writer(outputs, names);
  const values = outputs.map(({ body }) => statements.ofColumn(body));
  const sums = outputs.map(({ aggregate }) => aggregate);
  return [
    ...names.map((_, i) => `const i${i} = inputs[${i}];`),
    ...outputs.map((_, i) => `const o${i} = results[${i}];`),
    "for (let row = 0, i = 0; row < rows; row++) {",
    "if (read !== null && read[row] === 0) { i += columns; continue; }",
    ...statements.row,
    ...sums.flatMap((sum, i) => (sum === "each" ? [] : [`let s${i} = ${sum === "max" ? "-Infinity" : "0"};`])),
    "for (let column = 0; column < columns; column++, i++) {",
    ...statements.column,
    ...sums.map((sum, i) => {
      if (sum === "each") return `o${i}[i] = ${values[i]};`;
      return sum === "max" ? `s${i} = Math.max(s${i}, ${values[i]});` : `s${i} += ${values[i]};`;
    }),
    "}",
    ...sums.flatMap((sum, i) => (sum === "each" ? [] : [`o${i}[row] = s${i}${sum === "mean" ? " / columns" : ""};`])),
    "}",
  ].join("\n");
}

/** Writes expressions as statements before and within the loop over the columns. */
function writer(
  outputs: readonly LoopOutput[],
  names: readonly string[],
): { readonly row: string[]; readonly column: string[]; readonly ofColumn: (e: Node) => string } {
  const row: string[] = [];
  const column: string[] = [];
  const uses = usesOf(outputs.map(({ body }) => body));
  const known = new Map<Node, Code>();
  const define = ({ text, ofColumn }: Code): Code => {
    const name = `v${row.length + column.length}`;
    (ofColumn ? column : row).push(`const ${name} = ${text};`);
    return { text: name, ofColumn };
  };
  /** A piece with others in it; those that are the same in all columns are computed before their loop. */
  const piece = (parts: readonly Node[], text: (...parts: string[]) => string): Code => {
    const codes = parts.map(visit);
    const ofColumn = codes.some((code) => code.ofColumn);
    const texts = codes.map((code) => (ofColumn && !code.ofColumn && !isShort(code) ? define(code) : code).text);
    return { text: `(${text(...texts)})`, ofColumn };
  };
  const write = (node: Node): Code => {
    switch (node.kind) {
      case "constant":
        return { text: `(${numeral(node.value)})`, ofColumn: false };
      case "atom":
        return writeAtom(node.atom);
      case "unary":
        return piece([node.argument], (x) => `f.${node.operator}(${x})`);
      case "binary":
        return writeBinary(node.operator, node.left, node.right);
      case "select":
        return piece(
          [node.left, node.right, node.whenLess, node.otherwise],
          (l, r, a, b) => `${l} < ${r} ? ${a} : ${b}`,
        );
      case "stopGradient":
      case "within":
        return visit(node.argument);
      case "named":
        return visit(node.body);
    }
  };
  const writeAtom = (a: ColumnLoopAtom): Code => {
    // The maximum was rounded to float32.
    if (a.kind === "isHighest") return piece([a.body, a.maximum], (x, m) => `Math.fround(${x}) === ${m} ? 1 : 0`);
    if (a.kind === "part") {
      return {
        text: `(Math.floor(column * ${a.parts.names.length} / columns) === ${a.index} ? 1 : 0)`,
        ofColumn: true,
      };
    }
    const input = `i${names.indexOf(nameOf(a))}`;
    if (isOfBatch(a)) return { text: input, ofColumn: false };
    return isOfColumn(a) ? { text: `${input}[i]`, ofColumn: true } : { text: `${input}[row]`, ofColumn: false };
  };
  const writeBinary = (operator: BinaryOperator, left: Node, right: Node): Code => {
    if (operator === "weigh") {
      // The weight is written twice.
      if (left.kind !== "constant") uses.set(core(left), 2);
      return piece([left, right], (w, x) => `${w} === 0 ? 0 : ${w} * ${x}`);
    }
    const symbol = infix[operator];
    return piece([left, right], (x, y) => (symbol === undefined ? `f.${operator}(${x}, ${y})` : `${x} ${symbol} ${y}`));
  };
  const visit = (node: Node): Code => {
    const seen = known.get(node);
    if (seen !== undefined) return seen;
    const code = write(node);
    const once = node !== core(node) || (uses.get(node) ?? 0) < 2 || isShort(code);
    const result = once ? code : define(code);
    known.set(node, result);
    return result;
  };
  return { row, column, ofColumn: (e) => visit(e).text };
}

/** A name or a number, which costs nothing to write again. */
function isShort({ text }: Code): boolean {
  return /^(\w+|\(-?[\w.+-]+\))$/.test(text);
}

/** What a node is without what has no meaning in a loop. */
function core(node: Node): Node {
  switch (node.kind) {
    case "stopGradient":
    case "within":
      return core(node.argument);
    case "named":
      return core(node.body);
    default:
      return node;
  }
}

/** How often each node is used in some expressions. */
function usesOf(expressions: readonly Node[]): Map<Node, number> {
  const uses = new Map<Node, number>();
  const use = (node: Node): void => {
    const inner = core(node);
    uses.set(inner, (uses.get(inner) ?? 0) + 1);
    if (uses.get(inner) === 1) partsOf(inner).forEach(use);
  };
  expressions.forEach(use);
  return uses;
}

function partsOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case "atom":
      return node.atom.kind === "isHighest" ? [node.atom.body, node.atom.maximum] : [];
    case "unary":
      return [node.argument];
    case "binary":
      return [node.left, node.right];
    case "select":
      return [node.left, node.right, node.whenLess, node.otherwise];
    default:
      return [];
  }
}
