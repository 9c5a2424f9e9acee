/** The tokenizer of the demo and the page: r50k, GPT-2's. What needs no more than these numbers runs in a browser. */

/** The r50k id that ends a document. The tokenizer never makes it from text; it is appended to documents. */
export const endOfText = 50256;

/** The number of ids of the r50k tokenizer. */
export const tokenizerSize = 50257;
