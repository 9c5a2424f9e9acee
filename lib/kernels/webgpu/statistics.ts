/**
 * Makes the statistics of a row from its sums: q = Σ_{j≠y} exp(x_j), y being the label or the highest entry, and x_y in two
 * float32.
 */
import { at, declareEntry2, entry, entry2, lowest } from "./entries.ts";
import { bit, height } from "./highest.ts";
import type { IndexedDot, IndexedView, RowsPlan } from "./plan.ts";
import { addTerm, declareLost, isSummed, lostBits, lostWord } from "./sums.ts";

/** Writes a column if it is wanted. */
function write(column: number | null, value: string): string {
  return column === null ? "" : `result[base + ${column}] = ${value};`;
}

/** The first lane of a row writes its statistics, given what finishes each dot; zeros for a row that is not valid. */
export function writeRow(
  plan: RowsPlan,
  views: readonly IndexedView[],
  dots: readonly IndexedDot[],
  finish: (dot: IndexedDot) => string,
): string {
  return `if (lane == 0 && isRow) {
    let base = row * ${plan.columns.count};
    if (!isValid) {
      for (var k = 0; k < ${plan.columns.count}; k++) {
        result[base + k] = 0.0;
      }
    } else {
      ${views.map((view) => writeView(plan, view)).join("\n")}
      ${dots.map((dot) => writeDot(plan, dot, finish(dot))).join("\n")}
    }
  }`;
}

function writeView(plan: RowsPlan, view: IndexedView): string {
  const { v, bias, cap } = view;
  const { state, ...columns } = plan.columns.views[v];
  const orNaN = (value: string): string => `select(${value}, uniforms.NAN, isFlawed${v})`;
  const y = `excluded${v}`;
  const own = height(view, `ownLogit${v}`, y).value;
  const sum = isSummed(view) ? `others${v}` : "0.0";
  const topLogit = `select(origin${v}, ownLogit${v}, own${v}.x > 0.0)`;
  const topAt = `select(originAt${v}, ${y}, own${v}.x > 0.0)`;
  const scaled =
    cap === null
      ? view.scale === null
        ? topLogit
        : `${topLogit} * scaleOf${v}`
      : `cappedDifference(capped${v}FromZero, ${topLogit})`;
  const biased = bias === null ? scaled : `${scaled} + ${at(bias, topAt)}`;
  const m = view.shift === null ? biased : `${biased} + ${view.shift}`;
  // Where the entry that is left out is above the others, log(1 + q) keeps the digits of a small q.
  return `
      ${declareEntry2(view, v)}
      let own${v} = ${entry2(view, v, `ownLogit${v}`, y)};
      let isAbsent${v} = !(${own} > ${lowest});
      let isFlawed${v} = (flaws & ${bit(v)}) != 0u || (isAbsent${v} && !isFound${v});
      var share${v} = 0.0;
      var probability${v} = 0.0;
      var complement${v} = 0.0;
      var nll${v} = 0.0;
      var logSum${v} = 0.0;
      if (own${v}.x >= 0.0) {
        let half = exponential(-0.5 * own${v}.x) * (1.0 - 0.5 * own${v}.y);
        let q = ${sum} * half * half;
        share${v} = half * half / (1.0 + q);
        probability${v} = 1.0 / (1.0 + q);
        complement${v} = q / (1.0 + q);
        nll${v} = log1pOf(q);
        logSum${v} = nll${v};
      } else {
        let p = select(exponential(own${v}.x) * (1.0 + own${v}.y), 0.0, isAbsent${v});
        let all = ${sum} + p;
        share${v} = 1.0 / all;
        probability${v} = p / all;
        complement${v} = ${sum} / all;
        logSum${v} = logarithm(all);
        nll${v} = select(logSum${v} - own${v}.x, uniforms.INFINITY, isAbsent${v});
      }
      ${view.wanted.includes("e") ? expectation(v) : ""}
      ${write(columns.m, orNaN(m))}
      ${write(columns.s, orNaN(`logSum${v}`))}
      ${write(columns.n, orNaN(`nll${v}`))}
      ${write(columns.t, orNaN(`select(min(own${v}.x, 0.0), -uniforms.INFINITY, isAbsent${v})`))}
      ${write(columns.r, orNaN(`select(logarithm(${sum}) - shift${v}, -uniforms.INFINITY, !isFound${v})`))}
      ${write(columns.e, orNaN(`expectation${v}`))}
      ${write(state.origin, orNaN(bias === null ? `origin${v}` : `f32(originAt${v})`))}
      ${write(state.excluded, `f32(${y})`)}
      ${write(state.share, `share${v}`)}
      ${write(state.inverseOfOthers, `select(1.0 / ${sum}, 0.0, !isFound${v})`)}
      ${write(state.others, `complement${v}`)}
      ${write(state.probability, `probability${v}`)}
      ${write(state.center, `expectation${v} + shift${v}`)}
      ${write(state.ownAboveCenter, `min(own${v}.x, 0.0) - expectation${v}`)}`;
}

function expectation(v: number): string {
  return `
      var expectation${v} = 0.0;
      if (probability${v} > 0.0) {
        expectation${v} += probability${v} * min(own${v}.x, 0.0);
      }
      if (complement${v} > 0.0 && others${v} > 0.0) {
        expectation${v} += complement${v} * (weighted${v} / others${v} - shift${v});
      }`;
}

/** What is still to be added to a dot before it is written, in WGSL. */
function writeDot(plan: RowsPlan, dot: IndexedDot, finish: string): string {
  const { weights, view, k } = dot;
  const { low, high } = lostBits(dot);
  const flaws = typeof weights === "number" ? `isFlawed${view.v} || isFlawed${weights}` : `isFlawed${view.v}`;
  return `{
        ${finish}
        let isLow = (${lostWord(dot)} & ${low}) != 0u;
        let isHigh = (${lostWord(dot)} & ${high}) != 0u;
        var value = select(select(${dot.sum}, uniforms.INFINITY, isHigh), -uniforms.INFINITY, isLow);
        value = select(value, uniforms.NAN, (isLow && isHigh) || ${flaws});
        ${write(plan.columns.views[view.v].dots[k], "value")}
      }`;
}

/** Adds the term of the entry y to a dot, given w_y and z_y in the dot's view. */
export function addOwnTerm(dot: IndexedDot, y: string, weight: string, z: string): string {
  const { view, table, times } = dot;
  const ownWeight = table === null ? weight : `${weight} * ${at(table, y)}`;
  const term =
    times === "nothing"
      ? `${dot.sum} += ownWeight;`
      : `let ownX = ${entry(view, view.v, z, y)};
        ${declareLost("ownX")}
        ${addTerm(dot, dot.sum, "ownWeight", `(ownX - shift${view.v})`)}`;
  return `
        let ownWeight = ${ownWeight};
        ${term}`;
}
