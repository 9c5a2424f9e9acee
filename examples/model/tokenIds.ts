/** What is to know of r50k's ids. What needs no more of the tokenizer than this runs in a browser without it. */

/** The r50k id that ends a document. The tokenizer never makes it from text; it is appended to documents. */
export const endOfText = 50256;

/** The number of ids of the r50k tokenizer. */
export const tokenizerSize = 50257;
