/** What is wrong with a document is said with its path. */
import { describe, expect, test } from "bun:test";
import {
  type AnyLoss,
  add,
  changingOf,
  classWeights,
  crossEntropy,
  decayedCounts,
  entmax,
  evaluate,
  fieldFromJSON,
  fieldToJSON,
  focal,
  freqWeights,
  fromCounts,
  fromFunction,
  type JSONObject,
  join,
  LossError,
  labelSmoothing,
  language,
  lawFromJSON,
  lawToJSON,
  linear,
  lossFromJSON,
  lossToJSON,
  mean,
  meanSquaredError,
  movingAverage,
  override,
  parameter,
  perToken,
  pipe,
  powerLaw,
  scale,
  scheduleFromJSON,
  scheduleToJSON,
  softcap,
  sum,
  temperature,
} from "lossmith";
import type { Kinds } from "../../lib/json/codec.ts";
import { schedule } from "../../lib/json/scalars.ts";
import { lossOf } from "../../lib/loss/loss.ts";
import type { WholeRow } from "../../lib/loss/wholeRow.ts";

const pdl = pipe(crossEntropy, freqWeights(fromCounts([100, 10, 1])), powerLaw(0.5));

/** A document after a change. */
function changed(json: JSONObject, change: (document: never) => void): unknown {
  const document = structuredClone(json);
  change(document as never);
  return document;
}

// biome-ignore lint/suspicious/noExplicitAny: a document is anything here.
type Anything = any;

/** The document of a loss after a change of its first term. */
const withValue = (value: unknown, loss: AnyLoss = crossEntropy): unknown =>
  changed(lossToJSON(loss), (d: Anything) => {
    d.terms[0].value = value;
  });
const withPDL = (change: (d: Anything) => void): unknown => changed(lossToJSON(pdl), change);
const whole = (change: Record<string, unknown>, loss: AnyLoss = crossEntropy): unknown => ({
  ...lossToJSON(loss),
  ...change,
});

function errorOf(run: () => unknown): LossError {
  try {
    run();
  } catch (error) {
    if (error instanceof LossError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** A document, where it is wrong, and what the message says. */
type Wrong = readonly [name: string, json: unknown, where: string, ...parts: string[]];

const nested = (depth: number): unknown => JSON.parse(`${'{"exp":'.repeat(depth)}"nll"${"}".repeat(depth)}`);

const wrongLosses: readonly Wrong[] = [
  ["text in place of its value", JSON.stringify(lossToJSON(pdl)), "$", "JSON.parse(text)"],
  ["null", null, "$", "null", "object"],
  ["an array", [], "$", "array of 0"],
  ["another format", scheduleToJSON(1), "$.format", "lossmith schedule", "lossmith loss"],
  ["no format", {}, "$.format", "undefined"],
  ["a newer version", whole({ version: 2 }), "$.version", "newer lossmith", "version 2", "up to 1"],
  ["a version that is none", whole({ version: "1" }), "$.version", '"1"'],
  ["an expression that is none", whole({ expression: 3 }), "$.expression", "3", "array"],
  ["an unknown property", whole({ focsu: null }), "$", '"focsu"', '"focus"'],
  [
    "a property of a prototype",
    JSON.parse('{"__proto__": 1, "format": "lossmith loss", "version": 1}'),
    "$",
    "__proto__",
  ],
  ["a missing property", whole({ terms: [{ targets: "labels" }] }), "$.terms[0]", '"value" is missing'],
  ["terms that are none", whole({ terms: {} }), "$.terms", "empty object", "array"],
  ["targets", withPDL((d) => (d.terms[0].targets = "label")), "$.terms[0].targets", '"label"', '"labels"'],
  [
    "a reduction",
    withPDL((d) => (d.terms[0].reduction = "average")),
    "$.terms[0].reduction",
    "average",
    "weightedMean",
  ],
  ["an unknown atom", withValue("nnl"), "$.terms[0].value", '"nnl"', "nll"],
  ["an atom of another place", withValue("prediction"), "$.terms[0].value", '"prediction"'],
  ["an atom without its properties", withValue("input"), "$.terms[0].value", "name"],
  ["an unknown operator", withValue({ plus: ["nll", 1] }), "$.terms[0].value", '"plus"', "operator"],
  ["a name of Object's", withValue({ toString: ["nll", 1] }), "$.terms[0].value", '"toString"'],
  ["two operators", withValue({ exp: "nll", log: "nll" }), "$.terms[0].value", '"exp", "log"'],
  ["too few operands", withValue({ add: ["nll"] }), "$.terms[0].value.add", "array of 1", "two"],
  ["a number that JSON has not", withValue(Number.NaN), "$.terms[0].value", "NaN"],
  ["a number deep inside", withValue({ add: ["nll", { exp: null }] }), "$.terms[0].value.add[1].exp", "null"],
  ["an aggregate", withValue({ aggregate: { over: "rows", body: "nll" } }), "$.terms[0].value.aggregate.over", "rows"],
  [
    "a choice of rows by a number of each class",
    withValue({ weigh: [{ stopGradient: { aggregate: { over: "highest", share: 0.5, body: "nll" } } }, "nll"] }),
    "$.terms[0].value.weigh[0].stopGradient.aggregate",
    "highest(body)",
    "for each class",
  ],
  ["an input without a name", withValue({ input: { name: "" } }), "$.terms[0].value.input", "input(name)"],
  ["a parameter", withValue({ parameter: { name: "", init: 1 } }), "$.terms[0].value.parameter", "name"],
  ["its value", withValue({ parameter: { name: "t", init: "NaN" } }), "$.terms[0].value.parameter", "NaN"],
  [
    "a sum over classes of the target",
    withValue({ classSum: { body: "target" } }),
    "$.terms[0].value.classSum",
    "target",
  ],
  [
    "a number outside its bounds",
    withValue({ within: { argument: -1, lowest: 0, where: "gamma" } }),
    "$.terms[0].value.within",
    "gamma: got -1",
    "at least 0",
  ],
  ["a temperature", withValue({ nll: { view: { scale: 0 } } }), "$.terms[0].value.nll.view", "scale: got 0"],
  ["a cap", withValue({ nll: { view: { cap: -3 } } }), "$.terms[0].value.nll.view", "cap: got -3"],
  [
    "an alpha of entmax",
    changed(lossToJSON(entmax()), (d: Anything) => (d.terms[0].value.add[1].wholeRow.of.entmax.alpha = 3)),
    "$.terms[0].value.add[1].wholeRow.of",
    "got 3",
    "to 2",
  ],
  [
    "a k",
    withValue({ wholeRow: { of: { topEntropy: { k: 1.5 } } } }),
    "$.terms[0].value.wholeRow.of",
    "1.5",
    "whole number",
  ],
  ["a kind of whole row", withValue({ wholeRow: { of: { top: { k: 1 } } } }), "$.terms[0].value.wholeRow.of", '"top"'],
  ["a function of the step", withValue({ step: { of: {} } }), "$.terms[0].value.step.of", "object"],
  ["a reference to nothing", withValue({ ref: 0 }), "$.terms[0].value", "$.shared[0]"],
  ["a reference that is none", withValue({ ref: -1 }), "$.terms[0].value", "whole number"],
  [
    "a reference to itself",
    { ...(withValue({ ref: 0 }) as object), shared: [{ exp: { ref: 0 } }] },
    "$.shared[0].exp",
    "before",
  ],
  [
    "references in a circle",
    { ...(withValue({ ref: 1 }) as object), shared: [{ exp: { ref: 1 } }, { exp: { ref: 0 } }] },
    "$.shared[0].exp",
    "$.shared[1]",
  ],
  ["an entry that nothing refers to", whole({ shared: [{ exp: "nll" }] }), "$.shared[0]", "nothing refers to it"],
  ["a table that nothing refers to", whole({ tables: [[1]] }), "$.tables[0]", "nothing refers to it"],
  ["shared entries that are none", whole({ shared: {} }), "$.shared", "array"],
  [
    "an entry of another kind",
    { ...(withValue({ ref: 0 }) as object), shared: [{ of: "teacher", scale: 1 }] },
    "$.shared[0]",
    '"of", "scale"',
  ],
  [
    "numbers in place",
    withPDL((d) => (d.focus.source.values = [1, 2, 3])),
    "$.focus.source.values",
    "array of 3",
    "table",
  ],
  [
    "a table that is not there",
    withPDL((d) => (d.focus.source.values = { table: 7 })),
    "$.focus.source.values",
    "$.tables[7]",
  ],
  ["a number of a table", withPDL((d) => (d.tables[0][1] = "10")), "$.tables[0][1]", '"10"'],
  ["a negative number of a table", withPDL((d) => (d.tables[0][1] = -10)), "$.tables[0]", "id 1", "-10"],
  ["an empty table", withPDL((d) => (d.tables[0] = [])), "$.tables[0]", "empty"],
  [
    "too few counts",
    withPDL((d) => {
      d.tables.push([1, 2]);
      d.focus.source.counts = { table: 1 };
    }),
    "$.focus.source",
    "counts: got 2 for 3 values",
  ],
  [
    "a law that needs counts",
    changed(lossToJSON(pipe(crossEntropy, classWeights([1, 2]))), (d: Anything) => {
      d.focus.laws = [{ name: "rare", map: { divide: [1, "count"] } }];
    }),
    "$.focus.laws[0]",
    "raw counts",
  ],
  [
    "an id outside the vocabulary",
    changed(lossToJSON(pipe(pdl, override({ 1: 2 }))), (d: Anything) => (d.focus.laws[1].map.overridden.ids = [3])),
    "$.focus.laws[1]",
    "id 3",
  ],
  [
    "an id twice",
    changed(
      lossToJSON(pipe(pdl, override({ 1: 2, 2: 2 }))),
      (d: Anything) => (d.focus.laws[1].map.overridden.ids = [1, 1]),
    ),
    "$.focus.laws[1].map.overridden",
    "ids: got 1",
  ],
  [
    "an id without a weight",
    changed(lossToJSON(pipe(pdl, override({ 1: 2 }))), (d: Anything) => (d.focus.laws[1].map.overridden.ids = [1, 2])),
    "$.focus.laws[1].map.overridden",
    "got 1 for 2 ids",
  ],
  ["laws without a field", withPDL((d) => (d.focus = { laws: d.focus.laws })), "$.focus", '"source" is missing'],
  [
    "a hole without a field",
    withPDL((d) => {
      d.focus = null;
      d.tables = [];
    }),
    "$",
    "field in focus",
  ],
  ["a label", whole({ ignored: [0.5] }), "$.ignored[0]", "0.5", "integer"],
  ["probabilities", whole({ probabilities: "yes" }), "$.probabilities", '"yes"', "true or false"],
  [
    "values in a loss over logits",
    withValue({ overColumns: { aggregate: "sum", body: "prediction" } }),
    "$.terms[0]",
    "values",
  ],
  ["logits in a loss over values", withValue("nll", meanSquaredError), "$.terms[0]", "nll"],
  [
    "terms over both",
    changed(lossToJSON(crossEntropy), (d: Anything) => {
      d.terms.push({ targets: "values", value: 1, weight: 1, reduction: null });
    }),
    "$.terms[1]",
    "no batch fits both",
  ],
  ["labels that are ignored in values", whole({ ignored: [0] }, meanSquaredError), "$.ignored[0]", "over values"],
  [
    "a field on values",
    whole({ focus: lossToJSON(pdl)["focus"], tables: [[1]] }, meanSquaredError),
    "$.focus",
    "no classes",
  ],
  ["probabilities of values", whole({ probabilities: true }, meanSquaredError), "$.probabilities", "over values"],
  ["the model as its own teacher", withPDL((d) => (d.terms[0].targets = {})), "$.terms[0].targets", "teacher"],
  [
    "one number a token beside one number",
    changed(lossToJSON(pipe(crossEntropy, mean, add(pipe(crossEntropy, sum)))), (d: Anything) => {
      d.terms[1].reduction = "perToken";
    }),
    "$",
    "one number a token",
  ],
  [
    "two initial values",
    withValue({ add: [{ parameter: { name: "t", init: 1 } }, { parameter: { name: "t", init: 2 } }] }),
    "$",
    "1 and 2",
  ],
  ["too deep", withValue(nested(2000)), "$.terms[0].value.exp.exp.exp", "1000 deep"],
  ["far too deep", withValue(nested(100_000)), "$.terms[0].value.exp.exp.exp", "1000 deep"],
  [
    "too deep by references",
    {
      ...(withValue({ ref: 19 }) as object),
      shared: Array.from({ length: 20 }, (_, i) =>
        i === 0 ? nested(100) : JSON.parse(JSON.stringify(nested(100)).replace('"nll"', `{"ref":${i - 1}}`)),
      ),
    },
    "$.shared[10].exp",
    "1000 deep",
  ],
];

describe("reading", () => {
  for (const [name, json, where, ...parts] of wrongLosses) {
    test(name, () => {
      const error = errorOf(() => lossFromJSON(json));
      // Of a very long path there is the beginning.
      expect(error.where.endsWith("…") ? error.where.slice(0, where.length) : error.where).toBe(where);
      for (const part of parts) expect(error.message).toContain(part);
    });
  }

  test("a loss that is not what was expected", () => {
    const json = lossToJSON(pipe(crossEntropy, sum));
    expect(errorOf(() => lossFromJSON(json, { input: "values" })).message).toContain("over logits, not values");
    const kind = "without a weight field";
    expect(errorOf(() => lossFromJSON(json, { kind })).message).toContain(`already reduced, not ${kind}`);
    const kinds = [crossEntropy, pdl, pipe(pdl, sum), pipe(pdl, perToken)].map(
      (loss) => errorOf(() => lossFromJSON(lossToJSON(loss), { kind: "nothing" as never })).remedy,
    );
    expect(kinds.map((remedy) => remedy.match(/"(.*)"/)?.[1])).toEqual([
      "without a weight field",
      "with a weight field",
      "already reduced",
      "already reduced per token",
    ]);
  });

  test("laws, fields and schedules", () => {
    const law = errorOf(() => lawFromJSON({ ...lawToJSON(powerLaw(0.5)), map: { pow: ["value", "nll"] } }));
    expect([law.where, law.message]).toEqual(["$.map.pow[1]", expect.stringContaining('"nll"')]);
    const field = errorOf(() => fieldFromJSON({ ...fieldToJSON(classWeights([1, 2])), laws: [0] }));
    expect([field.where, field.message]).toEqual(["$.laws[0]", expect.stringContaining("got 0")]);
    const unknown = errorOf(() => scheduleFromJSON({ ...scheduleToJSON(1), schedule: { exp: "position" } }));
    expect([unknown.where, unknown.message]).toEqual(["$.schedule.exp", expect.stringContaining("step")]);
  });

  test("numbers that change while training", () => {
    const counts = fieldToJSON(freqWeights(decayedCounts(fromCounts([3, 1]), { decay: 0.5 })));
    const average = fieldToJSON(classWeights(movingAverage([3, 1], { decay: 0.5 }), { counts: [1, 2] }));
    const state = (d: Anything): Anything => d.source.changing.freqWeights.decayedCounts;
    const wrongFields: readonly Wrong[] = [
      [
        "",
        changed(counts, (d) => (state(d).updates = -1)),
        "$.source.changing.freqWeights.decayedCounts",
        "updates",
        "-1",
      ],
      ["", changed(counts, (d) => (state(d).decay = 2)), "$.source.changing.freqWeights.decayedCounts", "decay", "2"],
      [
        "",
        changed(counts, (d) => (state(d).forget = -1)),
        "$.source.changing.freqWeights.decayedCounts",
        "forget",
        "-1",
      ],
      [
        "",
        changed(counts, (d: Anything) => (d.source.changing.freqWeights.as = "x")),
        "$.source.changing.freqWeights.as",
        "x",
      ],
      [
        "",
        changed(counts, (d: Anything) => (d.source.changing = { decayed: {} })),
        "$.source.changing",
        '"decayed"',
        '"freqWeights", "classWeights"',
      ],
      ["", changed(counts, (d: Anything) => (d.source.name = "freqWeights")), "$.source", '"name"', "unknown"],
      ["", changed(average, (d: Anything) => d.tables[1].push(1)), "$.source.changing", "3 counts for 2 weights"],
    ];
    for (const [, json, where, ...parts] of wrongFields) {
      const error = errorOf(() => fieldFromJSON(json));
      expect(error.where).toBe(where);
      for (const part of parts) expect(error.message).toContain(part);
    }
  });

  test("nothing is put into a prototype", () => {
    const json = JSON.parse(
      JSON.stringify(lossToJSON(pdl)).replace('"focus":', '"__proto__": {"polluted": 1}, "focus":'),
    );
    expect(() => lossFromJSON(json)).toThrow("__proto__");
    expect(({} as Anything).polluted).toBeUndefined();
  });

  test("what is edited is what is evaluated, whatever its names say", () => {
    const json = changed(lossToJSON(pdl), (d: Anything) => (d.focus.laws[0].map.pow[1] = -1));
    const batch = { logits: [[2, 1, 0.1]], labels: [1] };
    const edited = lossFromJSON(json, { input: "logits", kind: "with a weight field" });
    const meant = pipe(crossEntropy, freqWeights(fromCounts([100, 10, 1])), powerLaw(1), sum);
    expect(evaluate(pipe(edited, sum), batch)).toBe(evaluate(meant, batch));
  });
});

describe("writing", () => {
  const own = fromFunction(function wave(t) {
    return 1 + Math.sin(t) / 2;
  });
  const functions: readonly (readonly [string, AnyLoss, string])[] = [
    ["in a law", pipe(pdl, powerLaw(own)), "$.focus.laws[1].map.pow[1].subtract[1].within.argument.named.body"],
    ["in a view", pipe(crossEntropy, temperature(own)), "$.terms[0].value.nll.view.scale"],
    ["in a cap", pipe(crossEntropy, softcap(own)), "$.terms[0].value.nll.view.cap"],
    ["in a modulator", pipe(crossEntropy, focal({ gamma: own })), "$.terms[0].value.weigh[0].pow[1]"],
    ["in a weight", pipe(pdl, override({ 1: own })), "$.focus.laws[1].map.overridden.weights[0]"],
    ["within a schedule", pipe(crossEntropy, scale(join([0, own], [5]))), "$.terms[0].value.weigh[0].within.argument"],
  ];
  for (const [name, loss, where] of functions) {
    test(`a function of the step ${name}`, () => {
      const error = errorOf(() => lossToJSON(loss));
      expect(error.where.slice(0, where.length)).toBe(where);
      expect(error.message).toContain("fromFunction(wave) holds a function");
    });
  }

  test("what is no loss, law, field or schedule", () => {
    for (const write of [lossToJSON, lawToJSON, fieldToJSON, scheduleToJSON, changingOf]) {
      for (const nothing of [null, undefined, "crossEntropy", {}, () => 1]) {
        expect(() => write(nothing as never)).toThrow(LossError);
      }
    }
  });

  test("atoms of another place, which the types refuse", () => {
    const count = language.count as unknown as typeof language.nll;
    expect(() => lossToJSON(lossOf(language.multiply(language.nll, count)))).toThrow(
      'multiply[1]: "count" has no meaning',
    );
    const law = language.law({ name: "own", map: language.nll as unknown as typeof language.count });
    expect(() => lawToJSON(law)).toThrow('$.map: "nll" has no meaning');
  });

  test("a loss without a value", () => {
    const twice = pipe(crossEntropy, scale(parameter("t", 1)), scale(parameter("t", 2)));
    expect(() => lossToJSON(twice)).toThrow("2 and 1");
    const both = {
      ...crossEntropy,
      terms: [pipe(crossEntropy, mean), pipe(crossEntropy, perToken)].flatMap((l) => l.terms),
    };
    expect(() => lossToJSON(both)).toThrow("one number a token");
  });

  test("what could not be read back", () => {
    const { add: plus, constant, nll } = language;
    const chain = (depth: number): AnyLoss =>
      lossOf(Array.from({ length: depth }).reduce<typeof nll>((e) => plus(e, constant(1)), nll));
    expect(() => lossToJSON(chain(1001))).toThrow("1000 deep");
    expect(lossToJSON(lossFromJSON(lossToJSON(chain(1000))))).toEqual(lossToJSON(chain(1000)));
  });
});

test("a kind without its codec does not compile", () => {
  // @ts-expect-error topEntropy has none.
  const kinds: Kinds<WholeRow> = { entmax: { alpha: schedule } };
  // @ts-expect-error alpha has none.
  const properties: Kinds<Extract<WholeRow, { kind: "entmax" }>> = { entmax: {} };
  expect(Object.keys({ ...kinds, ...properties })).toEqual(["entmax"]);
});

test("smoothing after reading", () => {
  const read = lossFromJSON(lossToJSON(crossEntropy), { input: "logits", kind: "without a weight field" });
  const batch = { logits: [[1, 2]], labels: [0], step: 0 };
  const smooth = labelSmoothing(linear({ init: 0.1, end: 0, steps: 5 }));
  expect(evaluate(pipe(read, smooth), batch)).toBe(evaluate(pipe(crossEntropy, smooth), batch));
});
