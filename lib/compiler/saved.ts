import * as tf from "@tensorflow/tfjs";

/** A structure with its tensors taken out, in order, and a way to put others in their places. */
export interface Detached<T> {
  readonly tensors: tf.Tensor[];
  readonly attach: (tensors: readonly tf.Tensor[]) => T;
}

/**
 * Takes the tensors out of nested plain objects, arrays and maps, each once. `save` keeps tensors for a backward pass only as one
 * list, under other handles.
 */
export function detachTensors<T>(structure: T): Detached<T> {
  const tensors: tf.Tensor[] = [];
  const places = new Map<tf.Tensor, number>();
  const collect = (x: unknown): unknown => {
    if (x instanceof tf.Tensor && !places.has(x)) places.set(x, tensors.push(x) - 1);
    return x;
  };
  mapLeaves(structure, collect);
  const attach = (replacements: readonly tf.Tensor[]): T =>
    mapLeaves(structure, (x) => (x instanceof tf.Tensor ? replacements[places.get(x) as number] : x)) as T;
  return { tensors, attach };
}

/** `tf.tidy` for a result with maps in it. */
export function tidied<T>(compute: () => T): T {
  let attach: Detached<T>["attach"] | null = null;
  const kept = tf.tidy(() => {
    const detached = detachTensors(compute());
    attach = detached.attach;
    return detached.tensors;
  });
  return (attach as unknown as Detached<T>["attach"])(kept);
}

function mapLeaves(x: unknown, f: (leaf: unknown) => unknown): unknown {
  if (Array.isArray(x)) return x.map((inner) => mapLeaves(inner, f));
  if (x instanceof Map) return new Map([...x].map(([key, inner]) => [key, mapLeaves(inner, f)]));
  if (typeof x !== "object" || x === null || Object.getPrototypeOf(x) !== Object.prototype) return f(x);
  return Object.fromEntries(Object.entries(x).map(([key, inner]) => [key, mapLeaves(inner, f)]));
}
