/** piecewiseInterpolate, the one-cycle schedules and sgdr against published values and against optax's formulas. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  at,
  constant,
  cosineOneCycle,
  join,
  linear,
  linearOneCycle,
  piecewiseConstant,
  piecewiseInterpolate,
  sgdr,
  warmupCosine,
} from "lossmith";
import { anyTimes, expectNear, expectPublished, expectValues, steps, within } from "../support/schedules.ts";

type Kind = "linear" | "cosine";
const kinds = fc.constantFrom<Kind>("linear", "cosine");

/** The value between `a` at step `from` and `b` at step `to`. */
function between(kind: Kind, a: number, b: number, from: number, to: number, t: number): number {
  const share = (t - from) / (to - from);
  return kind === "linear" ? (b - a) * share + a : b + ((a - b) / 2) * (Math.cos(Math.PI * share) + 1);
}

/** Through points of ascending steps: each one's value, and constant before the first and after the last. */
function through(kind: Kind, points: readonly (readonly [number, number])[], t: number): number {
  const next = points.findIndex(([step]) => t < step);
  if (next === 0) return points[0][1];
  if (next < 0) return points[points.length - 1][1];
  const [[from, a], [to, b]] = [points[next - 1], points[next]];
  return between(kind, a, b, from, to, t);
}

describe("piecewiseInterpolate", () => {
  test("golden: optax's linear 200, {5: 1.5, 10: 0.25}", () => {
    const published = [200, 220, 240, 260, 280, 300, 255, 210, 165, 120, 75, 75, 75];
    expectPublished(piecewiseInterpolate("linear", 200, { 5: 1.5, 10: 0.25 }), published, 1e-10);
  });

  test("golden: optax's cosine 400, {5: 1.2, 3: 0.6, 7: 1}", () => {
    const published = [400, 360, 280, 240, 264, 288, 288, 288, 288];
    expectPublished(piecewiseInterpolate("cosine", 400, { 5: 1.2, 3: 0.6, 7: 1 }), published, 1e-10);
  });

  test("golden: optax's linear 1, {4: 0.1, 8: 0.01} interpolates the products", () => {
    expectValues(piecewiseInterpolate("linear", 1, { 4: 0.1, 8: 0.01 }), {
      0: 1,
      2: 0.55,
      4: 0.1,
      6: 0.0505,
      8: 0.001,
      10: 0.001,
    });
  });

  const scales = fc.dictionary(fc.integer({ min: 1, max: 200 }).map(String), within(0, 2), { maxKeys: 5 });

  test("goes through the products at their boundaries", () => {
    fc.assert(
      fc.property(kinds, within(-5, 5), scales, anyTimes, (kind, init, given, t) => {
        const points: [number, number][] = [[0, init]];
        for (const boundary of Object.keys(given).sort((a, b) => Number(a) - Number(b))) {
          points.push([Number(boundary), points[points.length - 1][1] * given[boundary]]);
        }
        expectNear(at(piecewiseInterpolate(kind, init, given), t), through(kind, points, t), 200);
      }),
    );
  });

  test("is piecewiseConstant at the boundaries and after the last", () => {
    fc.assert(
      fc.property(kinds, within(-5, 5), scales, (kind, init, given) => {
        for (const t of [...Object.keys(given).map(Number), 1000]) {
          expectNear(at(piecewiseInterpolate(kind, init, given), t), at(piecewiseConstant(init, given), t), 200);
        }
      }),
    );
  });

  test("holds init before step 0, changes at once at a boundary of 0, and takes fractions of steps", () => {
    expectValues(piecewiseInterpolate("linear", 2, { 4: 2 }), { "-3": 2, 0: 2, 0.5: 2.25, 3.5: 3.75, 4: 4, 4.5: 4 });
    expectValues(piecewiseInterpolate("linear", 2, { 0: 3, 4: 0.5 }), { "-1": 2, 0: 6, 2: 4.5, 4: 3 });
    expectValues(piecewiseInterpolate("cosine", 2, { 0.5: 2 }), { 0: 2, 0.25: 3, 0.5: 4 });
    expectValues(piecewiseInterpolate("cosine", 1, { 4: 0 }), { 0: 1, 2: 0.5, 4: 0, 9: 0 });
  });

  test("without boundaries, and without changes, is constant", () => {
    expect(piecewiseInterpolate("linear", 13, {})).toEqual(constant(13));
    expect(piecewiseInterpolate("cosine", 13, { 5: 1 })).toEqual(constant(13));
  });

  test("refuses another kind, boundaries that are no steps, and negative scales", () => {
    expect(() => piecewiseInterpolate("linar" as never, 13, {})).toThrow(
      'piecewiseInterpolate(kind): got linar. Give "linear" or "cosine".',
    );
    expect(() => piecewiseInterpolate(null as never, 13, {})).toThrow("piecewiseInterpolate(kind): got null");
    expect(() => piecewiseInterpolate("linear", Number.NaN, {})).toThrow("piecewiseInterpolate(init): got NaN");
    expect(() => piecewiseInterpolate("linear", 1, { 5: -3 })).toThrow("piecewiseInterpolate({ 5 }): got -3");
    expect(() => piecewiseInterpolate("linear", 1, { soon: 1 } as never)).toThrow('the boundary "soon" is no step');
    expect(() => piecewiseInterpolate("linear", 1, undefined as never)).toThrow(
      "piecewiseInterpolate(scales): got undefined. Give { boundary: scale }.",
    );
  });
});

const shares = fc.tuple(within(0, 1), within(0, 1)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
const factors = within(1, 30);

describe("linearOneCycle", () => {
  test("golden: optax's 10 steps to 1000, 0.3, 0.7, 10, 100", () => {
    const published = [100, 400, 700, 1000, 775, 550, 325, 100, 67, 34, 1, 1];
    const options = { steps: 10, peak: 1000, pctStart: 0.3, pctFinal: 0.7, divFactor: 10, finalDivFactor: 100 };
    expectPublished(linearOneCycle(options), published, 1e-10);
  });

  test("goes through its four values at shares of the steps that are rounded down", () => {
    fc.assert(
      fc.property(
        steps,
        within(-5, 5),
        shares,
        factors,
        factors,
        anyTimes,
        (T, peak, [pctStart, pctFinal], divFactor, finalDivFactor, t) => {
          const options = { steps: T, peak, pctStart, pctFinal, divFactor, finalDivFactor };
          const points = [
            [0, peak / divFactor],
            [Math.trunc(pctStart * T), peak],
            [Math.trunc(pctFinal * T), peak / divFactor],
            [T, peak / (divFactor * finalDivFactor)],
          ] as const;
          // Of points at one step the last counts; before step 0 the first does.
          const apart = points.filter(([step], i) => i === points.length - 1 || step < points[i + 1][0]);
          const expected = t < 0 ? points[0][1] : through("linear", apart, t);
          expectNear(at(linearOneCycle(options), t), expected, 50);
        },
      ),
    );
  });

  test("by default rises for 0.3 of the steps, is back at 0.85, and ends at peak / 25e4", () => {
    const schedule = linearOneCycle({ steps: 200, peak: 100 });
    expectValues(schedule, { "-1": 4, 0: 4, 30: 52, 60: 100, 115: 52, 170: 4, 200: 4e-4, 1e6: 4e-4 });
    expectValues(schedule, { 0.5: 4.8 });
  });

  test("ends at peak / (div · final) however few steps there are", () => {
    for (const T of [1, 2, 3, 0.5]) {
      expectValues(linearOneCycle({ steps: T, peak: 100 }), { [T]: 4e-4, [T + 1]: 4e-4 });
    }
  });

  test("refuses no steps, shares out of order and factors that are not above 0", () => {
    const options = { steps: 10, peak: 1 };
    expect(() => linearOneCycle({ steps: 0, peak: 5 })).toThrow(
      "linearOneCycle({ steps }): got 0. Give a number of steps above 0.",
    );
    expect(() => linearOneCycle({ ...options, pctStart: 0.9 })).toThrow(
      "linearOneCycle({ pctFinal }): pctFinal 0.85 is below pctStart 0.9. Give pctStart ≤ pctFinal.",
    );
    expect(() => linearOneCycle({ ...options, pctFinal: 1.1 })).toThrow("linearOneCycle({ pctFinal }): got 1.1");
    expect(() => linearOneCycle({ ...options, pctStart: -0.1 })).toThrow("linearOneCycle({ pctStart }): got -0.1");
    expect(() => linearOneCycle({ ...options, divFactor: 0 })).toThrow("linearOneCycle({ divFactor }): got 0");
    expect(() => linearOneCycle({ ...options, finalDivFactor: -1 })).toThrow("finalDivFactor }): got -1");
    expect(() => linearOneCycle({ ...options, peak: Number.NaN })).toThrow("linearOneCycle({ peak }): got NaN");
    expect(() => linearOneCycle(10 as never)).toThrow(
      "linearOneCycle: got 10. Give options, such as linearOneCycle({ steps: 1000, peak: 1 }).",
    );
  });
});

describe("cosineOneCycle", () => {
  test("golden: optax's 5 steps to 1000, 0.4, 10, 100", () => {
    const options = { steps: 5, peak: 1000, pctStart: 0.4, divFactor: 10, finalDivFactor: 100 };
    expectPublished(cosineOneCycle(options), [100, 550, 1000, 750.25, 250.75, 1, 1], 1e-10);
  });

  test("goes through its three values at a share of the steps that is rounded down", () => {
    fc.assert(
      fc.property(
        steps,
        within(-5, 5),
        within(0, 1),
        factors,
        factors,
        anyTimes,
        (T, peak, pctStart, divFactor, finalDivFactor, t) => {
          const [init, top, end] = [peak / divFactor, Math.trunc(pctStart * T), peak / (divFactor * finalDivFactor)];
          const expected =
            t >= T
              ? end
              : t >= top && t >= 0
                ? between("cosine", peak, end, top, T, t)
                : between("cosine", init, peak, 0, top || 1, Math.max(t, 0));
          const schedule = cosineOneCycle({ steps: T, peak, pctStart, divFactor, finalDivFactor });
          expectNear(at(schedule, t), expected, 50);
        },
      ),
    );
  });

  test("by default rises for 0.3 of the steps and ends at peak / 25e4", () => {
    const schedule = cosineOneCycle({ steps: 200, peak: 100 });
    expectValues(schedule, { "-1": 4, 0: 4, 30: 52, 60: 100, 130: 50.0002, 200: 4e-4, 1e6: 4e-4 });
    for (const T of [1, 2, 3]) expectValues(cosineOneCycle({ steps: T, peak: 100 }), { [T]: 4e-4 });
  });

  test("refuses no steps, a share out of bounds and factors that are not above 0", () => {
    const options = { steps: 10, peak: 1 };
    expect(() => cosineOneCycle({ steps: -1, peak: 5 })).toThrow("cosineOneCycle({ steps }): got -1");
    expect(() => cosineOneCycle({ ...options, pctStart: 2 })).toThrow(
      "cosineOneCycle({ pctStart }): got 2. Give a number from 0 to 1.",
    );
    expect(() => cosineOneCycle({ ...options, divFactor: 0 })).toThrow(
      "cosineOneCycle({ divFactor }): got 0. Give a factor above 0.",
    );
    expect(() => cosineOneCycle({ ...options, finalDivFactor: 0 })).toThrow("finalDivFactor }): got 0");
    expect(() => cosineOneCycle({ ...options, peak: "1" as never })).toThrow("cosineOneCycle({ peak }): got 1");
    expect(() => cosineOneCycle(undefined as never)).toThrow("cosineOneCycle: got undefined");
  });
});

describe("sgdr", () => {
  const cycle = fc
    .record({
      init: within(-2, 2),
      peak: within(0.1, 2),
      warmup: fc.nat({ max: 30 }),
      length: steps,
      end: within(-2, 2),
    })
    .map(({ length, ...options }) => ({ ...options, decay: options.warmup + length }));

  test("golden: optax's peaks at 500, 2500 and 5500", () => {
    const cycles = [2000, 3000, 5000].map((decay, i) => ({ init: 0, peak: [1.6, 0.8, 0.4][i], warmup: 500, decay }));
    const schedule = sgdr(cycles);
    expectValues(schedule, { 0: 0, 250: 0.8, 500: 1.6, 1250: 0.8, 2500: 0.8, 5500: 0.4 });
    // A restart is at the first step of its own warm-up.
    for (const t of [2000, 5000, 10_000, 1e6]) expectNear(at(schedule, t), 0);
  });

  test("is each cycle's warmupCosine at the steps since the cycle began", () => {
    fc.assert(
      fc.property(fc.array(cycle, { minLength: 1, maxLength: 4 }), anyTimes, (cycles, t) => {
        let begin = 0;
        let current = 0;
        while (current < cycles.length - 1 && t >= begin + cycles[current].decay) begin += cycles[current++].decay;
        expect(at(sgdr(cycles), t)).toBe(at(warmupCosine(cycles[current]), t - begin));
      }),
    );
  });

  test("of one cycle is warmupCosine", () => {
    const options = { init: 0, peak: 1, warmup: 5, decay: 20, end: 0.1 };
    for (const t of [0, 3, 5, 12.5, 20, 99]) expect(at(sgdr([options]), t)).toBe(at(warmupCosine(options), t));
  });

  test("can go on with something else by join", () => {
    const schedule = join(
      [sgdr([{ init: 0, peak: 1, warmup: 0, decay: 4 }]), linear({ init: 0, end: 1, steps: 2 })],
      [4],
    );
    expectValues(schedule, { 0: 1, 2: 0.5, 4: 0, 5: 0.5, 6: 1 });
  });

  test("refuses no cycles, and says which cycle is wrong", () => {
    expect(() => sgdr([])).toThrow(
      "sgdr(cycles): got no cycles. Give an array of at least one warmupCosine's options.",
    );
    expect(() => sgdr({ init: 0 } as never)).toThrow("sgdr(cycles): got no cycles");
    const good = { init: 0, peak: 1, warmup: 2, decay: 4 };
    expect(() => sgdr([good, { ...good, decay: 2 }])).toThrow(
      "sgdr(cycles[1]): warmupCosine({ decay }): decay 2 is not above warmup 2. Give the length",
    );
    expect(() => sgdr([good, 3 as never])).toThrow("sgdr(cycles[1]): warmupCosine: got 3. Give options");
  });
});
