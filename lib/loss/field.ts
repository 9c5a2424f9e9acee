/**
 * A field is one number for each entry of a vocabulary: a source of values and the laws that were applied to them.
 * A law maps fields to fields, entry by entry, and may look at the counts that the field was made from.
 *
 * Laws are a monoid under composition (fp-ts's Endomorphism): applying them is associative, a field without laws is its
 * source, and order is meaning.
 */
import { LossError } from "./error.ts";
import { type Algebra, atomsOf, binaryNumber, type Expression, interpreter, unaryNumber } from "./expression.ts";
import { byKind, eachAlone, type Kinds, kindsOf } from "./kinds.ts";
import { medianOfSeen, ranksOf } from "./ranks.ts";
import { at, isScheduled, type Schedule, type Step, stepValue } from "./schedule.ts";

// ----------------------------------------------------------------------------------------------------------- model

/** Where a field's values come from. `counts` are the raw counts, in tokens, where they are known. */
export interface FieldSource {
  readonly name: string;
  readonly values: Float64Array;
  readonly counts: Float64Array | null;
  /** Where the numbers change while training: goes up with each change. The arrays are never written in place. */
  readonly version?: number;
  /** What numbers that change are read from, and the options that they are read with. */
  readonly from?: Origin;
}

/** Numbers that change while training, such as decayed counts. `version` goes up with each change. */
export interface ChangingNumbers {
  readonly kind: string;
  readonly version: number;
}

export interface Origin<Options = unknown> {
  readonly numbers: ChangingNumbers;
  readonly options: Options;
}

export type VocabularyAtom =
  | Step
  /** The value of the entry before the law. */
  | { readonly kind: "value" }
  /** The raw count of the entry, whatever laws came before. */
  | { readonly kind: "count" }
  /** The rank of the entry by its raw count: 1 for the most frequent, and the mean of their ranks for equal counts. */
  | { readonly kind: "rank" }
  /** The median of the raw counts of the entries that were seen. */
  | { readonly kind: "medianCount" }
  /** `of`, but at some entries a weight of their own. */
  | {
      readonly kind: "overridden";
      readonly of: Expression<VocabularyAtom>;
      readonly ids: readonly number[];
      readonly weights: readonly Schedule[];
    }
  | { readonly kind: "vocabularySize" }
  /** The sum or the maximum of an expression over all entries. */
  | {
      readonly kind: "overVocabulary";
      readonly aggregate: "sum" | "max";
      readonly body: Expression<VocabularyAtom>;
    };

/** `map` gives an entry's new value; `name` is what people call it. */
export interface Law {
  readonly name: string;
  readonly map: Expression<VocabularyAtom>;
}

/** Laws are applied in order, the first one first. */
export interface Field {
  readonly source: FieldSource;
  readonly laws: readonly Law[];
}

// ----------------------------------------------------------------------------------------------------- combinators

/** `field` with one more law; a LossError where the law needs what the field lacks. */
export function applyLaw(law: Law, field: Field): Field {
  const size = field.source.values.length;
  for (const a of atomsWithin(law.map)) {
    if ((a.kind === "count" || a.kind === "rank" || a.kind === "medianCount") && field.source.counts === null) {
      throw new LossError(
        law.name,
        `it reads raw counts, and the field ${field.source.name} has none`,
        "Use freqWeights(frequencies), or classWeights(array, { counts })",
      );
    }
    const outside = a.kind === "overridden" ? a.ids.find((id) => id >= size) : undefined;
    if (outside !== undefined) {
      throw new LossError(
        law.name,
        `id ${outside} is outside the field's vocabulary of ${size} entries`,
        `Give ids from 0 to ${size - 1}, or count with a larger vocabSize`,
      );
    }
  }
  return { source: field.source, laws: [...field.laws, law] };
}

/**
 * A source whose numbers are read anew whenever the version of what they are read from has changed.
 */
export function changingSource(
  name: string,
  from: Origin,
  read: () => Pick<FieldSource, "values" | "counts">,
): FieldSource {
  let known: { readonly version: number; readonly numbers: Pick<FieldSource, "values" | "counts"> } | null = null;
  const numbers = (): Pick<FieldSource, "values" | "counts"> => {
    const { version } = from.numbers;
    if (known === null || known.version !== version) known = { version, numbers: read() };
    return known.numbers;
  };
  return {
    name,
    from,
    get values() {
      return numbers().values;
    },
    get counts() {
      return numbers().counts;
    },
    get version() {
      return from.numbers.version;
    },
  };
}

/** Goes up with each change of the source's numbers. */
export function fieldVersion({ source }: Field): number {
  return source.version ?? 0;
}

function atomsWithin(e: Expression<VocabularyAtom>): readonly VocabularyAtom[] {
  return atomsOf(e).flatMap((a) => {
    if (a.kind === "overridden") return [a, ...atomsWithin(a.of)];
    return a.kind === "overVocabulary" ? [a, ...atomsWithin(a.body)] : [a];
  });
}

/** Whether the field changes with the step. */
export function isScheduledField(field: Field): boolean {
  return field.laws.some(isScheduledLaw);
}

function isScheduledLaw(law: Law): boolean {
  return atomsWithin(law.map).some(
    (a) => a.kind === "step" || (a.kind === "overridden" && a.weights.some(isScheduled)),
  );
}

// --------------------------------------------------------------------------------------------------------- meaning

/** A number that is the same for every entry, or one for each. */
export type Entries = number | Float64Array;

/** Entry-wise arithmetic in float64; `atom` gives the meaning of the atoms. */
export function entriesAlgebra<A>(meaning: (a: A) => Entries): Algebra<A, Entries> {
  return {
    constant: (value) => value,
    atom: meaning,
    unary: (operator, x) => {
      const f = unaryNumber[operator];
      return typeof x === "number" ? f(x) : x.map((value) => f(value));
    },
    binary: (operator, x, y) => combine(binaryNumber[operator], x, y),
    select: (left, right, whenLess, otherwise) =>
      zip([left, right, whenLess, otherwise], ([l, r, a, b]) => (l < r ? a : b)),
  };
}

/** f of the entries of both. */
function combine(f: (x: number, y: number) => number, x: Entries, y: Entries): Entries {
  if (typeof x === "number") return typeof y === "number" ? f(x, y) : y.map((right) => f(x, right));
  if (typeof y === "number") return x.map((left) => f(left, y));
  const result = new Float64Array(x.length);
  for (let entry = 0; entry < result.length; entry++) result[entry] = f(x[entry], y[entry]);
  return result;
}

function zip(operands: readonly Entries[], take: (values: number[]) => number): Entries {
  const values = operands.map((operand) => (typeof operand === "number" ? operand : Number.NaN));
  const arrays = operands.flatMap((operand, i) => (typeof operand === "number" ? [] : [{ operand, i }]));
  if (arrays.length === 0) return take(values);
  const result = new Float64Array(arrays[0].operand.length);
  for (let entry = 0; entry < result.length; entry++) {
    for (const { operand, i } of arrays) values[i] = operand[entry];
    result[entry] = take(values);
  }
  return result;
}

/** The sum or the maximum of `entries` over a vocabulary of `size` entries. */
export function aggregateEntries(aggregate: "sum" | "max", entries: Entries, size: number): number {
  if (typeof entries === "number") return aggregate === "sum" ? entries * size : entries;
  return aggregate === "sum" ? entries.reduce((sum, x) => sum + x, 0) : entries.reduce((a, b) => Math.max(a, b));
}

/** The weights of a field at a step; a LossError that names the entry where one is negative or not finite. */
export function evaluateField(field: Field, atStep: number): Float64Array {
  return evaluateEntries(field, atStep, null);
}

/** The same for an entry of each kind of `kindsOfEntries` for this field and maybe others. */
export function evaluateKinds(field: Field, atStep: number, kinds: Kinds): Float64Array {
  return evaluateEntries(field, atStep, kinds);
}

/** The kinds of entries that have the same weights in each of the fields at every step. */
export function kindsOfEntries(fields: readonly Field[], size: number): Kinds {
  // What is the same now will not be, and to tell it at each change takes longer than it saves.
  if (fields.some(({ source }) => source.version !== undefined)) return eachAlone(size);
  const settled = fields.map(settle);
  const alone = settled.flatMap(({ rest }) => rest.flatMap(({ map }) => overriddenIds(map)));
  const columns = fields.flatMap(({ source }, i) => {
    const values = settled[i].settled;
    return [...(typeof values === "number" ? [] : [values]), ...(source.counts === null ? [] : [source.counts])];
  });
  return kindsOf(size, columns, [...new Set(alone)]);
}

function overriddenIds(map: Expression<VocabularyAtom>): readonly number[] {
  return atomsWithin(map).flatMap((a) => (a.kind === "overridden" ? a.ids : []));
}

function evaluateEntries(field: Field, atStep: number, kinds: Kinds | null): Float64Array {
  const { settled, rest } = settle(field);
  const vocabulary = vocabularyOf(field, kinds);
  const start = typeof settled === "number" || kinds === null ? settled : byKind(settled, kinds);
  const current = rest.reduce((before, law) => applyMap(law, vocabulary, before, atStep), start);
  const weights = typeof current === "number" ? new Float64Array(vocabulary.entries).fill(current) : current;
  for (let entry = 0; entry < weights.length; entry++) {
    if (weights[entry] >= 0 && weights[entry] < Number.POSITIVE_INFINITY) continue;
    const id = kinds === null ? entry : kinds.first[entry];
    throw new LossError(
      [...field.laws.map((law) => law.name).reverse(), field.source.name].join(" ∘ "),
      `the weight of id ${id} is ${weights[entry]}${isScheduledField(field) ? ` at step ${atStep}` : ""}`,
      "Weights are finite and not negative: check the field's values and the laws' parameters, or clip(lo, hi)",
    );
  }
  return weights;
}

interface SettledField {
  readonly version: number;
  /** The values after the laws before the first that has a schedule. */
  readonly settled: Entries;
  readonly rest: readonly Law[];
}

const settledFields = new WeakMap<Field, SettledField>();

/** The part of a field that is the same at every step: it is computed once, or once for each change of its source. */
function settle(field: Field): SettledField {
  const known = settledFields.get(field);
  const version = fieldVersion(field);
  if (known !== undefined && known.version === version) return known;
  const first = field.laws.findIndex(isScheduledLaw);
  const constant = first < 0 ? field.laws : field.laws.slice(0, first);
  const vocabulary = vocabularyOf(field, null);
  const settled = constant.reduce<Entries>((before, law) => applyMap(law, vocabulary, before, 0), field.source.values);
  const result = { version, settled, rest: first < 0 ? [] : field.laws.slice(first) };
  settledFields.set(field, result);
  return result;
}

/** What a law sees of a field: all entries, or one of each kind. */
interface Vocabulary {
  /** V. */
  readonly size: number;
  readonly entries: number;
  readonly counts: Float64Array | null;
  readonly ranks: () => Float64Array | null;
  readonly medianCount: () => number;
  /** The place of an id among the entries. */
  readonly entryOf: (id: number) => number;
  readonly aggregate: (aggregate: "sum" | "max", entries: Entries) => number;
}

function vocabularyOf({ source }: Field, kinds: Kinds | null): Vocabulary {
  const { counts, values } = source;
  const size = values.length;
  const ranks = (): Float64Array | null => (counts === null ? null : ranksOf(counts));
  const medianCount = (): number => (counts === null ? Number.NaN : medianOfSeen(counts));
  if (kinds === null) {
    const aggregate: Vocabulary["aggregate"] = (name, entries) => aggregateEntries(name, entries, size);
    return { size, entries: size, counts, ranks, medianCount, entryOf: (id) => id, aggregate };
  }
  return {
    size,
    medianCount,
    ranks: () => {
      const all = ranks();
      return all === null ? null : byKind(all, kinds);
    },
    entries: kinds.first.length,
    counts: counts === null ? null : byKind(counts, kinds),
    entryOf: (id) => kinds.of[id],
    aggregate: (name, entries) => aggregateKinds(name, entries, kinds),
  };
}

/** The sum or the maximum over a vocabulary of which the numbers of each kind are given. */
export function aggregateKinds(aggregate: "sum" | "max", entries: Entries, { of, sizes }: Kinds): number {
  if (typeof entries === "number" || aggregate === "max") return aggregateEntries(aggregate, entries, of.length);
  return entries.reduce((sum, x, kind) => sum + sizes[kind] * x, 0);
}

/** The values of a field after a law. */
function applyMap(law: Law, vocabulary: Vocabulary, before: Entries, atStep: number): Entries {
  const meaning = (a: VocabularyAtom): Entries => {
    switch (a.kind) {
      case "step":
        return stepValue(a, atStep);
      case "value":
        return before;
      case "count":
        return vocabulary.counts ?? Number.NaN;
      case "rank":
        return vocabulary.ranks() ?? Number.NaN;
      case "medianCount":
        return vocabulary.medianCount();
      case "overridden": {
        const base = evaluate(a.of);
        const result = typeof base === "number" ? new Float64Array(vocabulary.entries).fill(base) : base.slice();
        for (const [i, id] of a.ids.entries()) result[vocabulary.entryOf(id)] = at(a.weights[i], atStep);
        return result;
      }
      case "vocabularySize":
        return vocabulary.size;
      case "overVocabulary":
        return vocabulary.aggregate(a.aggregate, evaluate(a.body));
    }
  };
  const evaluate = interpreter(entriesAlgebra(meaning));
  return evaluate(law.map);
}
