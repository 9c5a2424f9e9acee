/**
 * The programs of tensorflow.js's webgpu backend, before they run. The key under which it keeps what it has compiled says
 * too little where a program's code holds numbers that the key does not (a cumulative sum in reverse, the length of its
 * axis): a second shape would be computed by the first one's code, in silence.
 */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { correct, type Program } from "./corrections.ts";

/** Corrects each program that the backend runs, and lets no two of different code share a compiled one. */
export function mendPrograms(backend: WebGPUBackend): void {
  /** A short name for each code, in the order in which they came. */
  const names = new Map<string, number>();
  const { runWebGPUProgram } = backend;
  backend.runWebGPUProgram = (program, inputs, result, ...rest) => {
    correct(program, result);
    const code = codeOf(program);
    const name = names.get(code) ?? names.size;
    names.set(code, name);
    program.shaderKey += `_code${name}`;
    return runWebGPUProgram.call(backend, program, inputs, result, ...rest);
  };
}

/** All of a program that the compiled text depends on, beside what the backend itself adds to the key. */
function codeOf(program: Program): string {
  const { outputComponent = 1, variableComponents, uniforms, size, atomic, dispatchLayout } = program;
  const { x, y, z } = dispatchLayout;
  return [outputComponent, variableComponents, uniforms, size, atomic, x, y, z, program.getUserCode()].join(";");
}
