let last: Promise<unknown> = Promise.resolve();

/** Runs `body` after all that was given before: two starts at once would each make a device. */
export function inTurn<T>(body: () => Promise<T>): Promise<T> {
  const result = last.then(body);
  last = result.catch(() => undefined);
  return result;
}
