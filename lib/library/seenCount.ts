import { type Expression, select } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { constant, count } from "../loss/language.ts";

/** The raw count of an entry, where one that was never seen counts as seen once: its weight would be infinite. */
export const seenCount: Expression<VocabularyAtom> = select(constant(0), count, count, constant(1));
