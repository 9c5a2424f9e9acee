/** Prints as JSON how WebGPU's adapter is described here, or null where there is none; it starts no device. */
const gpu = globalThis.navigator?.gpu ?? (await import("webgpu")).create([]);
const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
console.log(`results ${JSON.stringify({ adapter: adapter?.info.description ?? null })}`);
