/**
 * Starting a backend of tensorflow.js in Bun, Deno, Node and browsers, for programs that want nothing else of lossmith.
 *
 * @module
 */
export { LossError } from "../loss/error.ts";
export { disposeBackend } from "./disposeBackend.ts";
export type { Adapter, BackendName, BackendOptions, BackendReport, PassedOver } from "./options.ts";
export { useBackend } from "./useBackend.ts";
