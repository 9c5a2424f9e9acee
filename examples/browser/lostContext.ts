/** On webgl a lost device is no error: zeros are read, or nothing ever. The canvas of the backend tells. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "lossmith";

/** Rejects when the WebGL context of the current backend is lost. Other backends tell by errors of their own. */
export function lossOfContext(): Promise<never> {
  return new Promise((_, reject) => {
    if (tf.getBackend() !== "webgl") return;
    const { gpgpu } = tf.backend() as unknown as { readonly gpgpu: { readonly gl: WebGLRenderingContext } };
    gpgpu.gl.canvas.addEventListener("webglcontextlost", () => {
      reject(new LossError("webgl", "the context was lost, and all tensors with it", "Start the backend again"));
    });
  });
}
