/**
 * Row statistics by the WebAssembly module, for backends whose tensors it can reach. The logits are read once forward
 * and once backward, and their gradient is written once; a row is worked on while it is in cache.
 */
import * as tf from "@tensorflow/tfjs";
import type { Values } from "../memory.ts";
import type {
  Dot,
  RowCotangents,
  RowStatistics,
  RowStatisticsKernel,
  StatisticName,
  ViewInput,
  WideInput,
} from "../rowStatistics.ts";
import { labelsOf } from "../rowStatistics.ts";
import type { Address, RowKernelCall, RowKernelDot, RowKernelView, Weighting } from "./block.ts";
import { addEntries, copyEntries } from "./entries.ts";

/** Where the module finds tensors; null is nowhere. */
export interface Addresses {
  /** Of an input with an entry, or several, for each row. */
  readonly rows: (input: tf.Tensor | null) => Address;
  /** Of an input with an entry for each class. */
  readonly table: (input: tf.Tensor | null) => Address;
  /** Of a result with an entry, or several, for each row. */
  readonly output: (output: tf.Tensor | null) => Address;
  readonly scratch: Address;
}

/** How a backend lets the module at its tensors. */
export interface ModuleHost {
  readonly name: string;
  /** A float32 tensor whose entries are not set. */
  readonly empty: (shape: number[]) => tf.Tensor;
  /** A tensor's entries themselves, until the next tensor is made. */
  readonly memoryOf: (tensor: tf.Tensor) => Values;
  readonly run: (
    pass: "forward" | "backward",
    rows: number,
    classes: number,
    callOf: (at: Addresses) => RowKernelCall,
  ) => void;
}

const perState = 4;
const perTeacherState = 2;

/** The kernel of a host. It takes any number of views, and one view of a teacher at most. */
export function moduleKernel(host: ModuleHost): RowStatisticsKernel {
  return {
    name: host.name,
    refusal: (views) =>
      views.filter(({ of }) => of === "teacher").length <= 1 &&
      views.every(({ of, cap, bias }) => of === "logits" || (cap === null && bias === 0))
        ? null
        : "it reads one view of a teacher's logits, without a cap or a bias",
    reads: () => 1,
    forward: (input) => {
      const teacher = input.views.findIndex(({ of }) => of === "teacher");
      const known = input.views.map((view) => emptyStatistics(host, input, view));
      const views = input.views.map((view, i) => ({ view, statistics: known[i] }));
      // A teacher's statistics are those of a model whose logits are the teacher's.
      if (teacher >= 0) {
        const own = { ...input, logits: input.teacher };
        runPass(host, "forward", own, [views[teacher]], known[teacher], null);
      }
      const ofModel = views.filter(({ view }) => view.of === "logits");
      if (ofModel.length > 0) runPass(host, "forward", input, ofModel, known[teacher], null);
      return known;
    },
    entriesAt: (logits, ids) => {
      const entries = host.empty(ids.shape) as tf.Tensor2D;
      const [from, places, to] = [logits, ids, entries].map(host.memoryOf);
      copyEntries(from as Float32Array, logits.shape[1], places as Int32Array, to as Float32Array, ids.shape[1]);
      return entries;
    },
    addAt: (gradient, ids, values) => {
      const [into, places, added] = [gradient, ids, values].map(host.memoryOf);
      addEntries(into as Float32Array, gradient.shape[1], places as Int32Array, added as Float32Array, ids.shape[1]);
      return gradient;
    },
    backward: (input, statistics, cotangents) => {
      const gradient = host.empty((input.logits as tf.Tensor2D).shape) as tf.Tensor2D;
      const teacher = statistics[input.views.findIndex(({ of }) => of === "teacher")];
      const views = input.views.flatMap((view, i) =>
        view.of === "logits" ? [{ view, statistics: statistics[i], cotangents: cotangents[i] ?? nothing(view) }] : [],
      );
      runPass(host, "backward", input, views, teacher, gradient);
      return gradient;
    },
  };
}

interface ViewPass {
  readonly view: ViewInput;
  readonly statistics: RowStatistics;
  readonly cotangents?: RowCotangents;
}

const names = ["m", "s", "n", "t", "r", "e"] as const satisfies readonly StatisticName[];

function emptyStatistics(host: ModuleHost, input: WideInput, view: ViewInput): RowStatistics {
  const count = rowsOf(input);
  const one = (): tf.Tensor1D => host.empty([count]) as tf.Tensor1D;
  const named = names.map((name) => [name, view.wanted.has(name) ? one() : null] as const);
  const teacher = input.teacher === null ? [] : [host.empty([count, perTeacherState])];
  const others = view.dots.flatMap(({ times }) => (times === "nll" ? [one()] : []));
  const state = [host.empty([count, perState]), ...others, ...teacher];
  return {
    ...(Object.fromEntries(named) as Readonly<Record<StatisticName, tf.Tensor1D | null>>),
    dots: view.dots.map(one),
    state,
  };
}

function rowsOf({ logits, teacher }: WideInput): number {
  return (logits ?? (teacher as tf.Tensor2D)).shape[0];
}

function nothing({ dots }: ViewInput): RowCotangents {
  return { s: null, n: null, t: null, r: null, e: null, dots: dots.map(() => null) };
}

function runPass(
  host: ModuleHost,
  pass: "forward" | "backward",
  input: WideInput,
  views: readonly ViewPass[],
  teacher: RowStatistics | undefined,
  gradient: tf.Tensor2D | null,
): void {
  const logits = input.logits as tf.Tensor2D;
  const [rows, classes] = logits.shape;
  const teacherView = input.views.find(({ of }) => of === "teacher");
  tf.tidy(() => {
    const biases = views.map(({ view }) => biasOf(view, classes));
    host.run(pass, rows, classes, (at) => ({
      rows,
      classes,
      logits: at.rows(logits),
      valid: at.rows(input.valid?.tensor ?? null),
      targets: at.rows(input.targets),
      teacher:
        teacherView === undefined
          ? null
          : {
              logits: at.rows(input.teacher),
              scale: scaleOf(teacherView),
              state: pass === "forward" ? at.output(stateOf(views, teacher)) : at.rows(stateOf(views, teacher)),
            },
      scratch: at.scratch,
      gradient: at.output(gradient),
      views: views.map((view, i) => viewOf(pass, view, biases[i], at, at.rows(labelsOf(input, view.view)))),
    }));
  });
}

/** The state of the teacher's softmax, which is kept with the first view that is weighed by it. */
function stateOf(views: readonly ViewPass[], teacher: RowStatistics | undefined): tf.Tensor | null {
  return (views[0]?.statistics ?? teacher)?.state.at(-1) ?? null;
}

function viewOf(
  pass: "forward" | "backward",
  { view, statistics, cotangents }: ViewPass,
  bias: tf.Tensor | null,
  at: Addresses,
  labels: Address,
): RowKernelView {
  const forward = pass === "forward";
  const [state, ...others] = statistics.state;
  const kept = (tensor: tf.Tensor): Address => (forward ? at.output(tensor) : at.rows(tensor));
  const weighed = view.dots.filter(({ times }) => times === "nll");
  const values = (name: StatisticName): Address => {
    if (forward) return at.output(statistics[name]);
    return name === "m" ? 0 : at.rows(cotangents?.[name] ?? null);
  };
  return {
    scale: scaleOf(view),
    cap: view.cap ?? 0,
    bias: at.table(bias),
    ...{ state: kept(state), labels },
    m: values("m"),
    s: values("s"),
    n: values("n"),
    t: values("t"),
    r: values("r"),
    e: values("e"),
    dots: view.dots.map(
      (dot, k): RowKernelDot => ({
        weighting: weightingOf(dot),
        table: at.table(dot.table?.tensor ?? null),
        values: forward ? at.output(statistics.dots[k]) : at.rows(cotangents?.dots[k] ?? null),
        others: dot.times === "nll" ? kept(others[weighed.indexOf(dot)]) : 0,
      }),
    ),
  };
}

function weightingOf({ weights, times }: Dot): Weighting {
  if (weights === "ones") return "table";
  if (weights === "targets") return times === "nll" ? "targets" : "total of targets";
  return times === "nll" ? "teacher" : "total of teacher";
}

function scaleOf({ scale }: ViewInput): number {
  return typeof scale === "number" ? scale : scale.dataSync()[0];
}

function biasOf({ bias }: ViewInput, classes: number): tf.Tensor | null {
  if (typeof bias !== "number") return bias;
  return bias === 0 ? null : tf.fill([classes], bias);
}
