/** Weight fields, the laws that were applied to them, and where their numbers come from. */
import { LossError } from "../loss/error.ts";
import type { Expression } from "../loss/expression.ts";
import { applyLaw, type Field, type FieldSource, type Law, type Origin, type VocabularyAtom } from "../loss/field.ts";
import { changingSource } from "./changing.ts";
import { at, type Codec, checked, list, nullable, number, object, oneOf, shared, text } from "./codec.ts";
import { expressions } from "./expressions.ts";
import { table } from "./reader.ts";
import { schedule, stepKinds } from "./scalars.ts";

type Overridden = Extract<VocabularyAtom, { readonly kind: "overridden" }>;
type OverVocabulary = Extract<VocabularyAtom, { readonly kind: "overVocabulary" }>;

const vocabularyExpression: Codec<Expression<VocabularyAtom>> = expressions<VocabularyAtom>(
  () => ({
    ...stepKinds,
    value: {},
    count: {},
    rank: {},
    medianCount: {},
    overridden: { of: vocabularyExpression, ids: list(number), weights: list(schedule) },
    vocabularySize: {},
    overVocabulary: {
      aggregate: oneOf<OverVocabulary["aggregate"]>({ sum: true, max: true }),
      body: vocabularyExpression,
    },
  }),
  {
    overridden: (a) => ({ kind: "atom", atom: checkOverridden(a) }),
  },
);

function checkOverridden(a: Overridden): Overridden {
  const seen = new Set<number>();
  for (const id of a.ids) {
    if (!Number.isSafeInteger(id) || id < 0 || seen.has(id)) {
      throw new LossError("ids", `got ${id}`, "Give token ids, whole numbers of at least 0, each once");
    }
    seen.add(id);
  }
  if (a.ids.length === a.weights.length) return a;
  throw new LossError("weights", `got ${a.weights.length} for ${a.ids.length} ids`, "Give one for each id");
}

const plainLaw: Codec<Law> = object<Law>({ name: text, map: vocabularyExpression });

export const law: Codec<Law> = shared(plainLaw);

/** What is written of a source whose numbers stay. */
type FixedSource = Required<Omit<FieldSource, "version" | "from">>;

const fixedSource: Codec<FixedSource> = checked(
  object<FixedSource>({ name: text, values: table, counts: nullable(table) }),
  (source) => {
    const { values, counts } = source;
    if (counts === null || counts.length === values.length) return source;
    throw new LossError("counts", `got ${counts.length} for ${values.length} values`, "Give one for each value");
  },
);

/** One of numbers that stay, or `{ "changing": … }`. */
const source: Codec<FieldSource> = shared({
  write: (value, writer, path) =>
    isChanging(value) ? changing.write({ changing: value }, writer, path) : fixedSource.write(value, writer, path),
  read: (json, reader, path) =>
    typeof json === "object" && json !== null && Object.hasOwn(json, "changing")
      ? changing.read(json, reader, path).changing
      : fixedSource.read(json, reader, path),
});

type ChangingSource = FieldSource & { readonly from: Origin };

function isChanging(value: FieldSource): value is ChangingSource {
  return value.from !== undefined;
}

const changing = object<{ readonly changing: ChangingSource }>({ changing: changingSource });

export const field: Codec<Field> = shared({
  write: (value, writer, path) => fieldData.write(value, writer, path),
  read: (json, reader, path) => {
    const data = fieldData.read(json, reader, path);
    const start: Field = { source: data.source, laws: [] };
    // A law may need what the field lacks.
    return data.laws.reduce<Field>((before, next, i) => at(`${path}.laws[${i}]`, () => applyLaw(next, before)), start);
  },
});

const fieldData: Codec<Field> = object<Field>({ source, laws: list(law) });
