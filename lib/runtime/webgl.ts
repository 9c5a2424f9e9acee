/** tensorflow.js's webgl backend, in browsers. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../loss/error.ts";
import { keepInBundle } from "./bundle.ts";
import { registrationOf } from "./engine.ts";
import { type Host, hostOf } from "./host.ts";
import type { Adapter } from "./options.ts";
import { isSoftware } from "./software.ts";

const where = 'useBackend("webgl")';

/** The part of the backend that tells what it draws with. */
interface WebGLBackend extends tf.KernelBackend {
  readonly gpgpu: { readonly gl: WebGLRenderingContext };
}

export async function startWebGL(takesSoftware: boolean): Promise<Adapter> {
  const host = hostOf();
  // tensorflow.js takes a worker of Deno for one of a browser.
  if (host !== "browser" && !("document" in globalThis)) throw noWebGL(host);
  await keepInBundle("webgl", () => import("@tensorflow/tfjs-backend-webgl"));
  if (registrationOf("webgl") === undefined) {
    throw host === "browser"
      ? new LossError(
          where,
          "the backend is not in this bundle",
          "Keep the side effects of @tensorflow/tfjs-backend-webgl",
        )
      : noWebGL(host);
  }
  const started = tf.env().getNumber("WEBGL_VERSION") > 0 && (await tf.setBackend("webgl"));
  if (!started) {
    throw new LossError(
      where,
      "this browser gives no WebGL context",
      'Turn on hardware acceleration, or use another backend: useBackend("wasm")',
    );
  }
  const adapter = describe((tf.backend() as WebGLBackend).gpgpu.gl);
  if (adapter.isSoftware && !takesSoftware) {
    throw new LossError(
      where,
      `WebGL is drawn by a software driver (${adapter.description}), slower than wasm`,
      `Turn on hardware acceleration, or ask for it by name: ${where}`,
    );
  }
  return adapter;
}

function noWebGL(host: Host): LossError {
  return new LossError(where, `${host} has no WebGL`, 'Use it in a browser, or another backend: useBackend("wasm")');
}

function describe(gl: WebGLRenderingContext): Adapter {
  const extension = gl.getExtension("WEBGL_debug_renderer_info");
  const renderer = gl.getParameter(extension?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER) as string;
  return { description: renderer, isSoftware: isSoftware(renderer) };
}
