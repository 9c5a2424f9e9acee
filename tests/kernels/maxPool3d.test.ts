/** The gradient of maxPool3d in windows of any sides, by a walk over each window. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { backends, startBackend } from "../support/backends.ts";

type Sizes = [number, number, number];

interface Given {
  readonly sides: Sizes;
  readonly filter: Sizes;
  readonly strides: Sizes;
  readonly pad: "valid" | "same";
  readonly entries: readonly number[];
}

const [volumes, channels] = [2, 2];

function sizes(min: number, max: number): fc.Arbitrary<Sizes> {
  const size = fc.integer({ min, max });
  return fc.tuple(size, size, size);
}

const given: fc.Arbitrary<Given> = sizes(3, 5).chain((sides) => {
  const size = volumes * sides[0] * sides[1] * sides[2] * channels;
  return fc.record({
    sides: fc.constant(sides),
    filter: sizes(1, 3),
    strides: sizes(1, 3),
    pad: fc.constantFrom("valid" as const, "same" as const),
    // Ties are frequent, and windows without a positive entry.
    entries: fc.array(fc.integer({ min: -4, max: 0 }), { minLength: size, maxLength: size }),
  });
});

/** How much of the gradient each entry gets where window i has the cotangent i + 1. */
function expected({ sides, filter, strides, pad, entries }: Given): number[] {
  const gradient = entries.map(() => 0);
  const windows = sides.map((side, d) => Math.ceil((pad === "same" ? side : side - filter[d] + 1) / strides[d]));
  // Below 0 where windows leave entries out: so does tensorflow.js forward.
  const before = sides.map((side, d) =>
    pad === "same" ? Math.floor(((windows[d] - 1) * strides[d] + filter[d] - side) / 2) : 0,
  );
  const indices = (lengths: readonly number[]): number[][] =>
    lengths.reduce<number[][]>((all, length) => all.flatMap((i) => Array.from({ length }, (_, j) => [...i, j])), [[]]);
  indices([volumes, ...windows, channels]).forEach(([volume, ...rest], at) => {
    const [window, channel] = [rest.slice(0, 3), rest[3]];
    const places = indices(filter)
      .map((offset) => window.map((w, d) => w * strides[d] - before[d] + offset[d]))
      .filter((place) => place.every((p, d) => p >= 0 && p < sides[d]))
      .map(([z, y, x]) => (((volume * sides[0] + z) * sides[1] + y) * sides[2] + x) * channels + channel);
    const largest = Math.max(...places.map((place) => entries[place]));
    gradient[places.find((place) => entries[place] === largest) ?? -1] += at + 1;
  });
  return gradient;
}

for (const backend of backends) {
  describe(`maxPool3d on ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("gives each window's gradient to the first of its largest entries", async () => {
      const property = fc.asyncProperty(given, async (one) => {
        const x = tf.tensor5d([...one.entries], [volumes, ...one.sides, channels]);
        const gradient = tf.tidy(() =>
          tf.grad((z: tf.Tensor) => {
            const pooled = tf.maxPool3d(z as tf.Tensor5D, one.filter, one.strides, one.pad);
            return tf.sum(tf.mul(pooled, tf.reshape(tf.range(1, pooled.size + 1), pooled.shape)));
          })(x),
        );
        expect([...(await gradient.data())]).toEqual(expected(one));
        tf.dispose([x, gradient]);
      });
      await fc.assert(property, { numRuns: 60 });
    });
  });
}
