/** Programs that stand in for a GPU, as they name themselves: Chromium's and Dawn's, Mesa's, Microsoft's, Apple's. */
const names = /swiftshader|llvmpipe|lavapipe|softpipe|microsoft basic render|\bwarp\b|apple software/i;

/** Whether a driver's name is that of a program that runs on the processor, slower than wasm does. */
export function isSoftware(description: string): boolean {
  return names.test(description);
}
