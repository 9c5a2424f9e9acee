/** What the benchmark runs in a page on tensorflow.js's webgl backend: a place, asked from outside. */
import * as tf from "@tensorflow/tfjs";
import { LocalPlace } from "../localPlace.ts";
import type { Place } from "../place.ts";

/** A method of a place, and its arguments. */
export interface Request {
  readonly method: keyof Place;
  readonly given: readonly unknown[];
}

let place: LocalPlace | null = null;

export async function start(_: null): Promise<null> {
  tf.enableProdMode();
  place = await LocalPlace.start("webgl");
  return null;
}

export async function ask({ method, given }: Request): Promise<unknown> {
  if (place === null) throw new Error("webgl was not started");
  const methods = place as unknown as Record<keyof Place, (...given: readonly unknown[]) => Promise<unknown>>;
  return methods[method](...given);
}
