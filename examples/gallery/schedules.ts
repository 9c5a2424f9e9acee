/** Schedules over their steps. */
import { at, type Numeric } from "lossmith";
import { meaningOf } from "./code.ts";
import { type Panel, type Picture, range, type Section } from "./picture.ts";

/** Names that lines read. */
export const given: Readonly<Record<string, string>> = {
  rise: "linear({ init: 0, end: 1, steps: 1000 })",
  first: "{ init: 0, peak: 1, warmup: 50, decay: 400 }",
  second: "{ init: 0, peak: 0.6, warmup: 50, decay: 500 }",
};

const values = Object.fromEntries(Object.entries(given).map(([name, code]) => [name, meaningOf<unknown>(code)]));
const steps = range(0, 1000, 201);

function overSteps(title: string, lines: readonly string[]): Panel {
  const curves = lines.map((code) => {
    const schedule = meaningOf<Numeric>(code, values);
    return { code, points: steps.map((step) => [step, at(schedule, step)] as const) };
  });
  return { title, x: { title: "step" }, y: { title: "value" }, curves };
}

const picture = (name: string, heading: string, text: string, ...panels: readonly Panel[]): Picture => ({
  name,
  heading,
  text,
  panels,
});

/** The section. */
export function schedules(): Section {
  return {
    heading: "Schedules",
    text: "Every numeric parameter takes one in place of a number. Here each runs over 1000 steps; `rise` is the straight line from 0 to 1.",
    pictures: [
      picture(
        "schedules",
        "From one number to another",
        "Decays and ramps.",
        overSteps("Decays", [
          "constant(0.5)",
          "linear({ init: 1, end: 0, steps: 800 })",
          "polynomial({ init: 1, end: 0, power: 2, steps: 800 })",
          "exponential({ init: 1, steps: 200, rate: 0.5 })",
          "exponential({ init: 1, steps: 200, rate: 0.5, staircase: true })",
          "cosine({ init: 1, steps: 800 })",
          "inverseTime({ init: 1, steps: 200, rate: 1 })",
          "piecewiseConstant(1, { 300: 0.5, 600: 0.5 })",
          'piecewiseInterpolate("cosine", 1, { 300: 0.5, 600: 0.5 })',
        ]),
        overSteps("Ramps", ["sigmoidRamp({ steps: 800 })", "fromFunction((t) => Math.sqrt(t / 1000))"]),
      ),
      picture(
        "phases",
        "Phases",
        "A warm-up and what follows it; cycles.",
        overSteps("Warm-ups", [
          "warmupCosine({ init: 0, peak: 1, warmup: 100, decay: 900 })",
          "warmupStableDecay({ peak: 1, warmup: 100, stable: 500, decay: 300 })",
          "inverseSqrt({ warmup: 100, peak: 1 })",
          "linearOneCycle({ steps: 900, peak: 1 })",
          "cosineOneCycle({ steps: 900, peak: 1 })",
        ]),
        overSteps("Cycles", [
          "sgdr([first, second])",
          "cyclical({ steps: 1000 })",
          "repeat(linear({ init: 0, end: 0.5, steps: 200 }), 200)",
        ]),
      ),
      picture(
        "combined-schedules",
        "Schedules of schedules",
        "Joined, moved, bounded, and by arithmetic.",
        overSteps("In time", [
          "join([linear({ init: 0, end: 1, steps: 200 }), cosine({ init: 1, steps: 500 })], [200])",
          "delay(linear({ init: 0, end: 1, steps: 400 }), 300)",
          "clamp(rise, 0.25, 0.75)",
        ]),
        overSteps("By arithmetic", [
          "addSchedules(rise, 0.3)",
          "subtractSchedules(1, rise)",
          "multiplySchedules(rise, rise)",
          "divideSchedules(0.3, addSchedules(0.3, rise))",
          "powSchedules(rise, 3)",
          "minSchedules(rise, 0.3)",
          "maxSchedules(rise, 0.3)",
        ]),
      ),
    ],
  };
}
