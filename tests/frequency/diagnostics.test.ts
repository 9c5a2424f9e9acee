/** What is read off counts and weights, against plain formulas; what is warned of; drift. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { crossEntropy, effectiveSampleSize, freqWeights, linear, override, pipe, powerLaw } from "lossmith";
import {
  type CountsDescription,
  corpusCounts,
  decayedCounts,
  describeCounts,
  describeWeights,
  drift,
  fromCounts,
  type WeightsDescription,
} from "lossmith/frequency";

const whats = ({ warnings }: CountsDescription | WeightsDescription): string =>
  warnings.map(({ what, remedy }) => `${what}; ${remedy}`).join("\n");

const someCounts = fc
  .array(fc.nat({ max: 500 }), { minLength: 2, maxLength: 60 })
  .filter((counts) => counts.some((count) => count > 0));

describe("describeCounts", () => {
  test("finds the exponents of the law that counts follow", () => {
    const counts = Float64Array.from({ length: 5000 }, (_, i) =>
      i < 1000 ? 1e9 / (i + 1) ** 0.9 : 2e10 / (i + 1) ** 1.4,
    );
    const { zipf } = describeCounts(fromCounts(counts.reverse()));
    expect(zipf.head).toBeCloseTo(0.9, 6);
    expect(zipf.tail).toBeCloseTo(1.4, 6);
  });

  test("shares add up, and the entropy is that of the distribution", () => {
    fc.assert(
      fc.property(someCounts, (counts) => {
        const { bands, seen, entropy, tokens, entries, top } = describeCounts(fromCounts(counts), { top: 3 });
        expect(bands.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12);
        expect([bands.at(-1)?.last, entries]).toEqual([counts.filter((count) => count > 0).length, counts.length]);
        expect(bands.map(({ first }) => first)).toEqual(seen > 10 ? [1, 11] : [1]);
        const shares = counts.filter((count) => count > 0).map((count) => count / tokens);
        expect(entropy).toBeCloseTo(-shares.reduce((sum, p) => sum + p * Math.log(p), 0), 10);
        expect(top.map(({ count }) => count)).toEqual(
          counts
            .filter((c) => c > 0)
            .sort((a, b) => b - a)
            .slice(0, 3),
        );
      }),
    );
  });

  test("names special tokens, and warns of what would ruin a run", () => {
    const counts = corpusCounts(fromCounts([1, 2, 97]), {
      special: { "<end>": 2 },
      documents: 10,
      skipped: 5,
      forcedCuts: 3,
    });
    const described = describeCounts(counts);
    expect(described.special).toEqual([{ name: "<end>", id: 2, count: 97, share: 0.97 }]);
    expect(described.top[0].special).toBe("<end>");
    expect(whats(described)).toMatch(/<end> \(id 2\) is 97 %.*ignoreIndex/);
    expect(whats(described)).toMatch(/5 bad items were left out, beside 10 documents/);
    expect(whats(described)).toMatch(/cut 3 times/);
    expect(describeCounts(fromCounts([1, 1, 1])).warnings).toEqual([]);
    expect(() => describeCounts(fromCounts([0, 0]))).toThrow("nothing was counted");
    expect(() => describeCounts({} as never)).toThrow("got no Frequencies");
  });
});

describe("describeWeights", () => {
  test("agrees with the weights themselves", () => {
    fc.assert(
      fc.property(someCounts, fc.double({ min: 0, max: 2, noNaN: true }), (counts, alpha) => {
        const weights = counts.map((count) => (Math.max(count, 1) + 1e-7) ** -alpha);
        const described = describeWeights(pipe(crossEntropy, freqWeights(fromCounts(counts)), powerLaw(alpha)));
        expect(described.weights.lowest).toBeCloseTo(Math.min(...weights), 10);
        expect(described.weights.highest).toBeCloseTo(Math.max(...weights), 10);
        expect(described.effectiveSampleSize).toBeCloseTo(effectiveSampleSize(weights, counts), 10);
        expect(described.bands.reduce((sum, { mass }) => sum + mass, 0)).toBeCloseTo(1, 10);
        const seen = weights.filter((_, id) => counts[id] > 0);
        expect(described.ofSeen?.highest).toBeCloseTo(Math.max(...seen), 10);
        expect(described.unseen).toBe(counts.length - seen.length);
        expect(described.ofUnseen === null).toBe(described.unseen === 0);
      }),
    );
  });

  test("says what special tokens get, and warns of an end of text that takes nearly all", () => {
    const counts = corpusCounts(fromCounts([50, 40, 10, 0]), { special: { "<end>": 3, "<s>": 0 } });
    const { special } = counts.vocabulary;
    const loss = pipe(crossEntropy, freqWeights(counts), powerLaw(1), override({ 0: 9 }));
    const described = describeWeights(loss, { special });
    expect(described.name).toContain("powerLaw(1) ∘ freqWeights");
    expect(described.special.map(({ name, count, weight }) => [name, count, Math.round(weight * 10) / 10])).toEqual([
      ["<s>", 50, 9],
      ["<end>", 0, 1],
    ]);
    expect(described.special[0].mass).toBeCloseTo(450 / 452, 6);
    expect(whats(described)).toMatch(/<s> \(id 0\) holds 99\.6 % of the weighted mass; .*override\(\{ 0: 1 \}\)/);
  });

  test("evaluates schedules, and refuses what has no weights", () => {
    const loss = pipe(crossEntropy, freqWeights(fromCounts([4, 1])), powerLaw(linear({ init: 0, end: 1, steps: 10 })));
    expect(describeWeights(loss).weights).toEqual({ lowest: 1, highest: 1 });
    expect(describeWeights(loss, { step: 10 }).weights.lowest).toBeCloseTo(0.25, 6);
    expect(() => describeWeights(crossEntropy)).toThrow("Attach one: freqWeights");
    expect(() => describeWeights(loss, { special: { x: 2 } })).toThrow('"x" has the id 2');
    expect(() => describeWeights(loss, { step: -1 })).toThrow("describeWeights({ step })");
  });
});

describe("drift", () => {
  test("is 0 for the same distribution, symmetric up to what is unseen, and bounded", () => {
    const sized = fc.array(fc.nat({ max: 50 }), { minLength: 8, maxLength: 8 }).filter((c) => c.some((x) => x > 0));
    fc.assert(
      fc.property(sized, sized, (a, b) => {
        const [x, y] = [fromCounts(a), fromCounts(b)];
        const forth = drift(x, y);
        const back = drift(y, x);
        expect(forth.jensenShannon).toBeCloseTo(back.jensenShannon, 12);
        expect(forth.totalVariation).toBeCloseTo(back.totalVariation, 12);
        expect(forth.jensenShannon).toBeGreaterThanOrEqual(0);
        // Lin's bounds: JS ≤ TV log 2 in nats, and TV² / 2 ≤ JS (Pinsker, twice).
        expect(forth.jensenShannon).toBeLessThanOrEqual(forth.totalVariation * Math.LN2 + 1e-12);
        expect(forth.totalVariation ** 2 / 2).toBeLessThanOrEqual(forth.jensenShannon + 1e-12);
        expect(drift(x, fromCounts(a.map((count) => 3 * count))).jensenShannon).toBeCloseTo(0, 12);
      }),
    );
  });

  test("follows counts that are updated, and is log 2 where nothing is shared", () => {
    const stored = fromCounts([10, 0]);
    const lately = decayedCounts(stored, { decay: 0 });
    expect(drift(lately, stored).totalVariation).toBe(0);
    lately.update([1, 1]);
    const { jensenShannon, totalVariation, unseen } = drift(lately, stored);
    expect([totalVariation, unseen]).toEqual([1, 1]);
    expect(jensenShannon).toBeCloseTo(Math.LN2, 12);
    expect(() => drift(fromCounts([1]), stored)).toThrow("1 entries beside ones of 2");
    expect(() => drift(fromCounts([0, 0]), stored)).toThrow("trained on lately are all 0");
    expect(() => drift(stored, fromCounts([0, 0]))).toThrow("the stored counts are all 0");
  });
});
