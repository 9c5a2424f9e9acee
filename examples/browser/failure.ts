/** What went wrong, in words, and what a visitor of the page can do. */
import { LossError } from "lossmith";

export interface Failure {
  /** Where it happened, where that is known. */
  readonly where: string | null;
  readonly what: string;
  readonly remedy: string;
}

export function failureOf(error: unknown): Failure {
  const what = error instanceof Error ? error.message : String(error);
  if (error instanceof LossError) {
    const { where, what, remedy } = error;
    const here = known.find(({ isIt }) => isIt(error));
    if (here === undefined) return { where, what, remedy: `${remedy}.` };
    return { where, what, remedy: here.alone ? here.remedy : `${remedy}. ${here.remedy}` };
  }
  if (error instanceof TypeError && /import|fetch|load/i.test(what)) {
    return { where: "loading", what, remedy: "Look whether the page is still being served, and load it again." };
  }
  return { where: null, what, remedy: `Press Start to begin anew. If it comes again: ${anyBackend}.` };
}

const anyBackend = "choose another backend, wasm or cpu, which run anywhere";

/** Errors of lossmith for which the page has controls, whose remedy replaces that for programs or stands beside it. */
const known: readonly {
  readonly isIt: (error: LossError) => boolean;
  readonly remedy: string;
  readonly alone: boolean;
}[] = [
  {
    isIt: ({ where }) => where.startsWith("useBackend"),
    remedy: `Or ${anyBackend}.`,
    alone: false,
  },
  {
    isIt: ({ what }) => /(device|context) was lost/.test(what),
    remedy: `Press Start to begin anew. If it comes again: choose a smaller model, or ${anyBackend}.`,
    alone: true,
  },
  {
    isIt: ({ what }) => /NaN|Infinity/.test(what),
    remedy: "Choose a lower learning rate or another loss, and press Start.",
    alone: true,
  },
];
