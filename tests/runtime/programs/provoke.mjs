/** Runs the provocations, and prints what came of each as JSON. */
import {
  disposed,
  invalidProgram,
  lostDevice,
  offer,
  onlyNullAdapter,
  readWithoutWaiting,
  start,
  startedTwice,
  tooLarge,
  zeros,
} from "./provocations.mjs";

const results = {
  start: await start(),
  offer: await offer(),
  tooLarge: await tooLarge(),
  invalidProgram: await invalidProgram(),
  readWithoutWaiting: await readWithoutWaiting(),
  startedTwice: await startedTwice(),
  lostDevice: await lostDevice(),
  disposed: await disposed(),
  onlyNullAdapter: await onlyNullAdapter(),
  zeros: await zeros(),
};
console.log(`results ${JSON.stringify(results)}`);
