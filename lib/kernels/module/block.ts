/**
 * The parameter block of a call of the row kernels, and what the kernels compute from it.
 *
 * With z the logits of a row and y its label, a view is z'_j = bias_j + cap · tanh(scale · z_j / cap), or without a cap
 * bias_j + scale · z_j. All statistics are relative to m = max_j z'_j, with p = softmax(z'):
 * - t = z'_y − m
 * - r = log Σ_{j≠y} exp(z'_j − m)
 * - s = log Σ_j exp(z'_j − m)
 * - n = −log p_y = log(1 + exp(r − t))
 * - e = −Σ_j p_j log p_j, where an entry with p_j = 0 adds 0
 * - a dot Σ_j u_j (z'_j − m) of a table u, or −Σ_j w_j log p_j for weights w of each row, where an entry with a weight of 0
 *   adds 0
 *
 * A row with a z' that is NaN or +∞, or with none above −∞, has NaN for each of its statistics in that view. A row that
 * is not valid has 0 for each, and is not read.
 *
 * All addresses are bytes into the memory that the kernels were made for; 0 stands for what is not there or not wanted.
 */

/** A byte offset into the memory; 0 for none. */
export type Address = number;

/** What a dot is, with a table u, soft targets q and the teacher's probabilities. */
export type Weighting =
  /** Σ_j u_j (z'_j − m) */
  | "table"
  /** −Σ_j q_j u_j log p_j */
  | "targets"
  /** −Σ_j teacher_j u_j log p_j */
  | "teacher"
  /** Not a dot but the sum Σ_j q_j u_j, which has no gradient. */
  | "total of targets"
  /** Not a dot but the sum Σ_j teacher_j u_j, which has no gradient. */
  | "total of teacher";

export interface RowKernelDot {
  readonly weighting: Weighting;
  /** f32[V]; without one every u_j is 1. */
  readonly table: Address;
  /** f32[N]: the dots in the forward pass, their cotangents in the backward pass. */
  readonly values: Address;
  /**
   * f32[N], of weights q_j u_j or teacher_j u_j: written by the forward pass for the backward pass. Their sum without the
   * entry that the view leaves out.
   */
  readonly others: Address;
}

/** One number a row, f32[N] each: results of the forward pass, cotangents in the backward pass. */
export interface RowKernelStatistics {
  /** Counts as a constant: has no cotangent. */
  readonly m: Address;
  readonly s: Address;
  /** Like t and r only where there are labels. */
  readonly n: Address;
  readonly t: Address;
  readonly r: Address;
  readonly e: Address;
}

/**
 * One reading of the logits. A backward call has the views of the forward call in the same order; cotangents are of
 * statistics that the forward call wrote, s, n and r being one in this.
 */
export interface RowKernelView extends RowKernelStatistics {
  /** Above 0. */
  readonly scale: number;
  /** 0 for none. */
  readonly cap: number;
  /** f32[V]. */
  readonly bias: Address;
  /** f32[N, 4]: written by the forward pass for the backward pass. */
  readonly state: Address;
  /** i32[N], the entry that the view leaves out of its sums, within the classes in every valid row; 0 for the highest. */
  readonly labels: Address;
  readonly dots: readonly RowKernelDot[];
}

/** Another model's logits for the same rows, with t' = scale · t and softmax(t'). */
export interface RowKernelTeacher {
  /** f32[N, V]. */
  readonly logits: Address;
  /** Above 0. */
  readonly scale: number;
  /** f32[N, 2]: written by the forward pass for the backward pass. */
  readonly state: Address;
}

export interface RowKernelCall {
  /** N. */
  readonly rows: number;
  /** V. */
  readonly classes: number;
  /** f32[N, V]. Entries are overwritten and restored during a call, so nobody else may read them meanwhile. */
  readonly logits: Address;
  /** u8[N], 1 for valid; without it every row is. */
  readonly valid: Address;
  /** The soft targets q, f32[N, V]; may be the memory of the logits. */
  readonly targets: Address;
  readonly teacher: RowKernelTeacher | null;
  /** `scratchBytes(classes)` bytes at a multiple of 16. */
  readonly scratch: Address;
  /** f32[N, V], results of the backward pass; not the memory of an input. */
  readonly gradient: Address;
  readonly views: readonly RowKernelView[];
}

/** How much scratch memory a call needs. */
export function scratchBytes(classes: number): number {
  return 4 * (3 * classes + 64);
}

/** The words of the block, to be copied to any multiple of 4 in the memory. */
export function encodeBlock(call: RowKernelCall): Int32Array {
  const { teacher } = call;
  return Int32Array.from([
    call.rows,
    call.classes,
    call.logits,
    call.valid,
    call.targets,
    teacher?.logits ?? 0,
    bitsOf(teacher?.scale ?? 1),
    teacher?.state ?? 0,
    call.scratch,
    call.gradient,
    call.views.length,
    ...call.views.flatMap(encodeView),
  ]);
}

function encodeView(view: RowKernelView): number[] {
  return [
    bitsOf(view.scale),
    bitsOf(view.cap),
    view.bias,
    view.state,
    view.labels,
    view.m,
    view.s,
    view.n,
    view.t,
    view.r,
    view.e,
    view.dots.length,
    ...view.dots.flatMap((dot) => [codes[dot.weighting], dot.table, dot.values, dot.others]),
  ];
}

const codes: Readonly<Record<Weighting, number>> = {
  table: 0,
  targets: 1,
  teacher: 2,
  "total of targets": 5,
  "total of teacher": 6,
};

/** The word that holds a float32. */
function bitsOf(value: number): number {
  return new Int32Array(Float32Array.of(value).buffer)[0];
}
