/** Deno's stand-in for bun:test: the same suite runs on node:test and the npm package expect. */

export { after as afterAll, afterEach, before as beforeAll, beforeEach, describe, it, test } from "node:test";
export { expect } from "expect";
