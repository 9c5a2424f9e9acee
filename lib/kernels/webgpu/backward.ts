/**
 * The source of the backward pass, which reads the logits once and writes their gradient once. With x_j = z'_j − o, y the
 * entry that a view leaves out, the label or the highest, and p_j = share · exp(x_j) for j ≠ y:
 * - through s: g p_j
 * - through n: g p_j, and at y −g (1 − p_y)
 * - through r: g exp(x_j) / Σ_{k≠y} exp(x_k), and nothing at y
 * - through t: g at y
 * - through e: g p_j (Σ_k p_k x_k − x_j)
 * - through a dot of the entries: g w_j u_j
 * - through a cross entropy: g (p_j Σ_k w_k u_k − w_j u_j), and at y, where it is the likeliest,
 *   g (Σ_{k≠y} w_k u_k − (1 − p_y) Σ_k w_k u_k), which keeps its digits where both p and w are nearly all there
 */
import type { StatisticName } from "../rowStatistics.ts";
import { at, declareEntry, declareScale, entry, logitOf, readLogits, scaleOf } from "./entries.ts";
import { type DotPlan, declareLabels, type RowsPlan, type ViewPlan } from "./plan.ts";
import { prelude } from "./prelude.ts";

export type CotangentName = Exclude<StatisticName, "m">;

/** Which row of the cotangents, [K, N], belongs to what; null for none. */
export interface CotangentsPlan extends Readonly<Record<CotangentName, number | null>> {
  readonly dots: readonly (number | null)[];
}

export interface BackwardPlan extends RowsPlan {
  /** Null for a view without cotangents. */
  readonly cotangents: readonly (CotangentsPlan | null)[];
}

interface IndexedView extends ViewPlan {
  readonly v: number;
  /** Null for a view that only weighs dots. */
  readonly cotangents: CotangentsPlan | null;
}

/** An invocation writes this many entries at most: lanes that share a row leave the rest of it to others. */
const entriesOfInvocation = 32;

/** In how many parts rows are worked on, each by lanes of its own. */
export function partsOfRow({ lanes }: RowsPlan, classes: number): number {
  return Math.ceil(classes / (lanes * entriesOfInvocation));
}

const names = ["s", "n", "t", "r", "e"] as const satisfies readonly CotangentName[];

export function backwardSource(plan: BackwardPlan): string {
  const span = plan.lanes * entriesOfInvocation;
  const views = plan.views.flatMap((view, v): IndexedView[] =>
    view === null ? [] : [{ ...view, v, cotangents: plan.cotangents[v] }],
  );
  const through = views.filter(({ cotangents }) => cotangents !== null);
  const byTargets = through.some(({ dots }) => dots.some((dot) => dot?.weights === "targets"));
  // A row without weight is not read.
  const live = through.map(({ v }) => `isLive${v}`).join(" || ");
  return `
${prelude(views)}

fn fill(start : i32, begin : i32, end : i32, value : f32) {
  for (var j = begin; j < end; j += ${plan.lanes}) {
    result[start + j] = value;
  }
}

fn main(index : i32) {
  let part = index / ${plan.lanes};
  let row = part / uniforms.parts;
  if (row >= uniforms.rows) {
    return;
  }
  let start = row * uniforms.classes;
  let first = (part % uniforms.parts) * ${span};
  let begin = first + (index & ${plan.lanes - 1});
  let end = min(first + ${span}, uniforms.classes);
  ${plan.hasValid ? "if (valid[row] == 0) { fill(start, begin, end, 0.0); return; }" : ""}
  let state = row * ${plan.columns.count};
  ${declareLabels(plan)}
  var isFlawed = false;
  ${through.map((view) => readCotangents(plan, view)).join("\n")}
  if (isFlawed) {
    fill(start, begin, end, uniforms.NAN);
    return;
  }
  if (!(${live})) {
    fill(start, begin, end, 0.0);
    return;
  }
  ${views.map((view) => declareView(plan, view)).join("\n")}
  ${through.map((view) => declareFactors(plan, view)).join("\n")}
  for (var j = begin; j < end; j += ${plan.lanes}) {
    ${readLogits(plan)}
    ${byTargets ? "let target_j = targets[start + j];" : ""}
    var gradient = 0.0;
    ${views
      .filter(({ weighs }) => weighs)
      .map(declareSoftmax)
      .join("\n")}
    ${through.map((view) => addGradient(view, through.length > 1)).join("\n")}
    result[start + j] = gradient;
  }
}
`;
}

function cotangent({ rowData }: RowsPlan, index: number): string {
  return at(rowData["cotangents"], `uniforms.rows * ${index} + row`);
}

/** A number that the forward pass has left, by its column. */
function kept({ rowData }: RowsPlan, column: number | null): string {
  return at(rowData["statistics"], `state + ${column}`);
}

interface GivenDot extends DotPlan {
  /** The variable of its cotangent. */
  readonly g: string;
  readonly index: number;
  /** Its place among those of the view. */
  readonly k: number;
}

function dotsOf({ v, dots, cotangents }: IndexedView): readonly GivenDot[] {
  return dots.flatMap((dot, k): GivenDot[] => {
    const index = cotangents?.dots[k] ?? null;
    return dot === null || index === null ? [] : [{ ...dot, g: `g${v}x${k}`, index, k }];
  });
}

function readCotangents(plan: BackwardPlan, view: IndexedView): string {
  const { v, cotangents } = view;
  const given = names.flatMap((name) => {
    const index = cotangents?.[name] ?? null;
    return index === null ? [] : [{ g: `g${v}${name}`, index }];
  });
  const dots = dotsOf(view);
  const all = [...given, ...dots];
  const origin = kept(plan, plan.columns.views[v].state.origin);
  const weighed = dots.flatMap(({ weights, g }) => {
    if (typeof weights !== "number") return [];
    return [`(!isZero(${g}) && isNotANumber(${kept(plan, plan.columns.views[weights].state.origin)}))`];
  });
  const flaws = [`isNotANumber(${origin})`, ...all.map(({ g }) => `isNotANumber(${g})`), ...weighed];
  return `
  ${all.map(({ g, index }) => `let ${g} = ${cotangent(plan, index)};`).join("\n")}
  let isLive${v} = ${all.map(({ g }) => `!isZero(${g})`).join(" || ")};
  isFlawed = isFlawed || (isLive${v} && (${flaws.join(" || ")}));`;
}

/** Restores what the entries are relative to, and which of them was left out. */
function declareView(plan: BackwardPlan, view: IndexedView): string {
  const { v, bias, of, cap } = view;
  const { state } = plan.columns.views[v];
  const value = kept(plan, state.origin);
  const scale = scaleOf(view, v);
  const origin =
    bias === null
      ? `let origin${v} = ${value};`
      : `let originAt${v} = clamp(i32(${value}), 0, uniforms.classes - 1);
  let origin${v} = ${of}[start + originAt${v}];
  let originBias${v} = ${at(bias, `originAt${v}`)};`;
  const softmaxFactors = `
  let isWeightless${v} = isNotANumber(${value});
  let weightOfOthers${v} = ${kept(plan, state.share)};
  let weightOfOwn${v} = ${kept(plan, state.probability)};`;
  const position = state.excluded === null ? "-1" : `i32(${kept(plan, state.excluded)})`;
  const excluded = view.isLabelled ? view.label : position;
  return `
  ${declareScale(view, v)}
  ${origin}
  ${declareEntry(view, v)}
  ${cap === null ? "" : `let rate${v} = divide2(vec2<f32>(2.0 * ${scale}, 0.0), vec2<f32>(${cap}, 0.0));`}
  ${view.weighs ? softmaxFactors : ""}
  let excluded${v} = ${excluded};`;
}

/** Whether a view's exponentials are needed. */
function hasExponentials(view: IndexedView): boolean {
  const { cotangents } = view;
  if (cotangents === null) return false;
  return nllDotsOf(view).length > 0 || (["s", "n", "r", "e"] as const).some((name) => cotangents[name] !== null);
}

function nllDotsOf(view: IndexedView): readonly GivenDot[] {
  return dotsOf(view).filter(({ times }) => times === "nll");
}

/**
 * What exp(x_j) and (x_j − Σ_k p_k x_k) exp(x_j) are multiplied by, and the gradient at y. Without a cap the slope of the view
 * is a factor of all of them.
 */
function declareFactors(plan: BackwardPlan, view: IndexedView): string {
  const { v, cotangents } = view;
  const { state } = plan.columns.views[v];
  const value = (column: number | null): string => kept(plan, column);
  const has = (name: CotangentName): boolean => cotangents !== null && cotangents[name] !== null;
  const g = (name: CotangentName): string => `g${v}${name}`;
  const sum = (...parts: readonly (string | false)[]): string => parts.filter(Boolean).join(" + ") || "0.0";
  const forShare = sum(has("s") && g("s"), has("n") && g("n"));
  const share = value(state.share);
  const nllDots = nllDotsOf(view);
  const constant = sum(
    (has("s") || has("n")) && `(${forShare}) * ${share}`,
    has("r") && `${g("r")} * ${value(state.inverseOfOthers)}`,
    ...nllDots.map((dot) => `${dot.g} * ${dot.g}Weight * ${share}`),
  );
  const own = sum(
    has("s") && `${g("s")} * ${value(state.probability)}`,
    has("n") && `-(${g("n")} * ${value(state.others)})`,
    has("t") && g("t"),
    has("e") && `ownOfE${v}`,
    ...nllDots.map((dot) => `${dot.g} * ${dot.g}Own`),
  );
  const slope = view.cap === null ? scaleOf(view, v) : "1.0";
  const factor = (name: string, expression: string): string =>
    `let ${name} = ${slope === "1.0" ? expression : `(${expression}) * ${slope}`};`;
  // An entry without probability adds nothing, also where it is −∞.
  const p = value(state.probability);
  const ofE = `
  let center${v} = ${value(state.center)};
  var ownOfE${v} = 0.0;
  if (${p} > 0.0) {
    ownOfE${v} = -${g("e")} * ${p} * ${value(state.ownAboveCenter)};
  }`;
  const ofNll = nllDots.map((dot) => {
    const weights = state.dots[dot.k];
    const [others, own] = [value(weights?.others ?? null), value(weights?.own ?? null)];
    return `
  let ${dot.g}Weight = ${others} + ${own};
  var ${dot.g}Own = ${dot.g}Weight * ${p} - ${own};
  if (${p} > 0.5) {
    ${dot.g}Own = ${others} - ${dot.g}Weight * ${value(state.others)};
  }`;
  });
  return `
  ${has("e") ? ofE : ""}
  ${ofNll.join("\n")}
  ${factor(`constant${v}`, constant)}
  ${has("e") ? factor(`linear${v}`, `-(${g("e")} * ${share})`) : ""}
  ${factor(`own${v}`, own)}
  ${dotsOf(view)
    .map((dot) => factor(`${dot.g}Scaled`, dot.g))
    .join("\n")}`;
}

/** p_j of a view that weighs dots. */
function declareSoftmax(view: IndexedView): string {
  const { v } = view;
  const x = entry(view, v, logitOf(view), "j");
  const p = `select(exponential(${x}) * weightOfOthers${v}, weightOfOwn${v}, j == excluded${v})`;
  // Without statistics there are no weights: all cotangents of the dots that they are of are 0 in this row.
  return `let p${v}_j = select(${p}, 0.0, isWeightless${v});`;
}

function addGradient(view: IndexedView, isOneOfSeveral: boolean): string {
  const { v, cap, cotangents } = view;
  const z = logitOf(view);
  const factor = cotangents?.e === null ? `constant${v}` : `fma(linear${v}, x - center${v}, constant${v})`;
  const isSparse = !hasExponentials(view) && cotangents?.t === null;
  const atOwn = `select(0.0, own${v}, j == excluded${v})`;
  const exponentials = `let x = max(${entry(view, v, z, "j")}, -88.0);
      part = select(exponential(x) * ${factor}, own${v}, j == excluded${v});`;
  const dots = dotsOf(view).map(({ g, weights, table, times }) => {
    const u = table === null ? [] : [at(table, "j")];
    const w = weights === "ones" ? [] : weights === "targets" ? ["target_j"] : [`p${weights}_j`];
    const term = [`${g}Scaled`, ...w, ...u].join(" * ");
    return times === "nll" ? `part -= select(${term}, 0.0, j == excluded${v});` : `part += ${term};`;
  });
  const body = `{
      var part = 0.0;
      ${isSparse ? "" : hasExponentials(view) ? exponentials : `part = ${atOwn};`}
      ${dots.join("\n")}
      gradient += ${cap === null ? "part" : `part * cappedSlope(${z}, rate${v}, ${scaleOf(view, v)})`};
    }`;
  return isOneOfSeveral ? `if (isLive${v}) ${body}` : body;
}
