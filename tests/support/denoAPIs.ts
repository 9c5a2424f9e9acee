/**
 * The environment in which Deno takes a GPU by its own API alone. Without a Vulkan driver Deno falls back to OpenGL, which
 * computes right, but Mesa's software one compiles the programs of a suite for minutes.
 */
export const denoAPIs: Readonly<Record<string, string>> = { DENO_WEBGPU_BACKEND: "vulkan,metal,dx12" };
