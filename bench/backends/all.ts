/** The backends in the order in which they are measured. */
import type { BackendName } from "lossmith";
import type { MeasuredBackend } from "./backend.ts";
import { cpu } from "./cpu.ts";
import { wasm } from "./wasm.ts";
import { webgl } from "./webgl.ts";
import { webgpu } from "./webgpu.ts";

export const measuredBackends: Readonly<Record<BackendName, MeasuredBackend>> = { wasm, cpu, webgpu, webgl };
export const backendNames: readonly BackendName[] = ["wasm", "cpu", "webgpu", "webgl"];
