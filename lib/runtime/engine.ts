/** The part of tensorflow.js's engine that knows its backends. Asking it for one by name would start that one. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../loss/error.ts";

/** The backend of this name, if it was started. */
export function startedBackend(name: string): tf.KernelBackend | undefined {
  const { registry } = tf.engine();
  return Object.hasOwn(registry, name) ? registry[name] : undefined;
}

/**
 * Resolves when a backend that the program sets without waiting for it has started, or not. Until then tensorflow.js refuses
 * all operations, and makes that backend the current one when it is there.
 */
export async function settled(): Promise<void> {
  await (tf.engine() as unknown as { readonly pendingBackendInit?: Promise<boolean> | null }).pendingBackendInit;
}

export interface Registration {
  readonly factory: () => tf.KernelBackend | Promise<tf.KernelBackend>;
  readonly priority: number;
}

/** How the backend of this name is started, if it was registered. */
export function registrationOf(name: string): Registration | undefined {
  const { registryFactory } = tf.engine();
  return Object.hasOwn(registryFactory, name) ? registryFactory[name] : undefined;
}

/**
 * Removes the backend of this name with all that is on it, and says how the next start makes one. Any later use of its
 * tensors is an error that says what came of it, and to free them is no error.
 */
export function replaceBackend(
  name: string,
  registration: Registration | undefined,
  what = "the backend was disposed of",
): void {
  const ended = startedBackend(name);
  if (ended !== undefined) forgive(ended);
  if (registrationOf(name) !== undefined) tf.removeBackend(name);
  if (ended !== undefined) close(ended, goneFrom(name, what));
  if (registration !== undefined) tf.registerBackend(name, registration.factory, registration.priority);
}

/** What the use of a tensor is whose backend has ended. */
export function goneFrom(name: string, what: string): LossError {
  return new LossError(
    name,
    what,
    `What was on it is gone: call useBackend("${name}") again and make the tensors anew`,
  );
}

/** A backend that is broken cannot always dispose of itself, which is no reason to keep it. */
function forgive(backend: tf.KernelBackend): void {
  const { dispose } = backend;
  backend.dispose = () => {
    try {
      dispose.call(backend);
    } catch {
      // Nobody uses it any more.
    }
  };
}

function close(backend: tf.KernelBackend, gone: LossError): void {
  const references = new WeakMap<object, number>();
  backend.read = async () => {
    throw gone;
  };
  backend.readSync = () => {
    throw gone;
  };
  backend.disposeData = (dataId, force = false) => {
    const left = (references.get(dataId) ?? backend.refCount(dataId)) - 1;
    references.set(dataId, left);
    return force || left <= 0;
  };
}
