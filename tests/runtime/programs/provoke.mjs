/** Runs the provocations, and prints what came of each as JSON. */
import {
  disposed,
  invalidProgram,
  lostDevice,
  offer,
  onlyNullAdapter,
  readWithoutWaiting,
  start,
  startedAgain,
  startedTwice,
  tooLarge,
  zeros,
} from "./provocations.mjs";

// Elsewhere a package is looked for next, and starts.
const isOwn = Boolean(globalThis.navigator?.gpu);
const results = {
  start: await start(),
  offer: await offer(),
  tooLarge: await tooLarge(),
  invalidProgram: await invalidProgram(),
  readWithoutWaiting: await readWithoutWaiting(),
  startedTwice: await startedTwice(),
  lostDevice: await lostDevice(),
  disposed: await disposed(),
  ...(isOwn ? { onlyNullAdapter: await onlyNullAdapter() } : {}),
  zeros: await zeros(),
  startedAgain: await startedAgain(),
};
console.log(`results ${JSON.stringify(results)}`);
