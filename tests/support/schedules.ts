/** What the tests of schedules share. */
import { expect } from "bun:test";
import fc from "fast-check";
import { at, cosine, exponential, linear, piecewiseConstant, type Schedule } from "lossmith";

export const within = (min: number, max: number): fc.Arbitrary<number> => fc.double({ min, max, noNaN: true });
export const steps: fc.Arbitrary<number> = fc.integer({ min: 1, max: 100 });
export const times: fc.Arbitrary<number> = fc.integer({ min: 0, max: 300 });

/** Whole steps, fractions of them, and steps before the first. */
export const anyTimes: fc.Arbitrary<number> = fc.oneof(times, within(0, 300), fc.integer({ min: -100, max: -1 }));

/** Equal up to 1e-12 of `size`. */
export function expectNear(actual: number, expected: number, size = 1): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-12 * size);
}

export function expectValues(schedule: Schedule, values: Readonly<Record<number, number>>): void {
  for (const [t, value] of Object.entries(values)) expectNear(at(schedule, Number(t)), value, Math.abs(value));
}

/** The values at steps 0, 1, 2, …, up to half a unit in the last published digit. */
export function expectPublished(schedule: Schedule, values: readonly number[], half: number): void {
  values.forEach((value, t) => {
    expect(Math.abs(at(schedule, t) - value)).toBeLessThanOrEqual(half);
  });
}

/** Schedules of several kinds. */
export const someSchedules: fc.Arbitrary<Schedule> = fc.oneof(
  fc.record({ init: within(-2, 2), end: within(-2, 2), steps, begin: fc.nat({ max: 20 }) }).map(linear),
  fc.record({ init: within(-2, 2), steps, alpha: within(0, 1) }).map(cosine),
  fc.record({ init: within(-2, 2), steps, rate: within(0.1, 1), staircase: fc.boolean() }).map(exponential),
  fc.tuple(within(-2, 2), within(0, 2), steps).map(([init, factor, t]) => piecewiseConstant(init, { [t]: factor })),
);
