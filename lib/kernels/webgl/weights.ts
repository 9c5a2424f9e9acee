/** The weights w_j u_j of dots, in GLSL: soft targets, the softmax of a view, tables. */
import * as tf from "@tensorflow/tfjs";
import type { Dot, WideInput } from "../rowStatistics.ts";
import { type Inputs, samplerOf } from "./program.ts";
import { viewSource } from "./view.ts";

/** What the passes over the logits know of a view. */
export interface KnownView {
  /** The logits, packed. */
  readonly source: tf.Tensor2D;
  readonly state: tf.Tensor2D;
  readonly anchor: tf.Tensor2D | null;
}

/** The name of a view in a program. */
export function viewName(index: number): string {
  return `view${index}`;
}

/** Above this many the tables of a program are stacked: a program reads 16 tensors at most. */
const mostTables = 3;

/** Declares and names what the weights of several dots are read from; each table is read once for all dots. */
export class WeightSources {
  readonly #input: WideInput;
  readonly #views: readonly KnownView[];
  readonly #inputs: Inputs;
  readonly #tables: readonly tf.Tensor1D[];
  readonly #stack: tf.Tensor | null;
  readonly #softmaxes = new Set<number>();
  #hasTargets = false;
  declarations = "";

  constructor(input: WideInput, dots: readonly Dot[], views: readonly KnownView[], inputs: Inputs) {
    this.#input = input;
    this.#views = views;
    this.#inputs = inputs;
    this.#tables = [...new Set(dots.flatMap(({ table }) => (table === null ? [] : [table.tensor])))];
    this.#stack = this.#tables.length > mostTables ? tf.stack([...this.#tables]) : null;
    if (this.#stack !== null) inputs.tensor("tables", this.#stack);
    else for (const [i, table] of this.#tables.entries()) inputs.tensor(`table${i}`, table);
  }

  /** Frees what was made for the program, which has run. */
  dispose(): void {
    this.#stack?.dispose();
  }

  /** An expression for w_j u_j of two rows and two columns; null where that is 1. */
  of({ weights, table }: Dot): string | null {
    const factors: string[] = [];
    if (weights === "targets") factors.push(this.#targets());
    else if (weights !== "ones") factors.push(this.#softmax(weights));
    if (table !== null) factors.push(this.#table(table.tensor));
    return factors.length === 0 ? null : factors.join(" * ");
  }

  /** Statements that read, once for a texel, what the expressions name. */
  atTexel(row: string, column: string): string {
    const targets = this.#hasTargets ? [`vec4 targets = getTargets(${row}, ${column});`] : [];
    const softmaxes = [...this.#softmaxes].map((index) => `vec4 p${index} = softmax${index}(${row}, ${column});`);
    const tables = this.#tables.map((_, i) => {
      // Rows of the stack lie two in a texel.
      const entries =
        this.#stack === null
          ? `getTable${i}(${column}).xyxy`
          : `getTables(${i}, ${column}).${i % 2 === 0 ? "xyxy" : "zwzw"}`;
      return `vec4 table${i}At = ${entries};`;
    });
    return [...targets, ...softmaxes, ...tables].join("\n");
  }

  #targets(): string {
    this.#inputs.tensor("targets", this.#input.targets as tf.Tensor2D);
    this.#hasTargets = true;
    return "targets";
  }

  #table(tensor: tf.Tensor1D): string {
    return `table${this.#tables.indexOf(tensor)}At`;
  }

  #softmax(index: number): string {
    if (!this.#softmaxes.has(index)) {
      const { source, state, anchor } = this.#views[index];
      const view = `teacher${index}`;
      this.#inputs.tensor(`${view}State`, state);
      this.declarations += `
        ${viewSource(view, this.#input.views[index], source, this.#inputs, anchor)}
        vec4 softmax${index}(int row, int column) {
          vec4 first = ${samplerOf(`${view}State`)}(row, 0);
          vec4 second = ${samplerOf(`${view}State`)}(row, 2);
          vec4 h = first.xxzz;
          vec4 sum = first.yyww;
          vec4 a = second.xxzz;
          vec4 s = second.yyww;
          vec4 anchor = ${view}Anchor(row);
          Two entry = ${view}Level2(row, column, anchor);
          Two relative = ${view}Relative2(entry.x, h);
          // Where the label is above the others, their exponentials fall by what s = log(1 + sum · fall) tells.
          vec4 fall = mix(vec4(1.), preciseExpm1(s) / max(sum, 1e-30), greaterThan(a, vec4(0.)));
          vec4 p = ${view}Power(relative, entry.y) * fall;
          p = mix(p, vec4(1.), greaterThan(relative.x, vec4(0.)));
          // Of a row without statistics.
          return mix(p * preciseExp(-s), vec4(NAN), lessThan(sum, vec4(0.)));
        }`;
      this.#softmaxes.add(index);
    }
    return `p${index}`;
  }
}
