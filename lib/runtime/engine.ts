/** The part of tensorflow.js's engine that knows its backends. Asking it for one by name would start that one. */
import * as tf from "@tensorflow/tfjs";

/** The backend of this name, if it was started. */
export function startedBackend(name: string): tf.KernelBackend | undefined {
  const { registry } = tf.engine();
  return Object.hasOwn(registry, name) ? registry[name] : undefined;
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

/** Removes the backend of this name with all that is on it, and says how the next start makes one. */
export function replaceBackend(name: string, registration: Registration | undefined): void {
  if (registrationOf(name) !== undefined) tf.removeBackend(name);
  if (registration !== undefined) tf.registerBackend(name, registration.factory, registration.priority);
}
