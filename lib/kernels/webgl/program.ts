/** Fragment programs: source text, and the tensors and numbers that it reads. */
import * as tf from "@tensorflow/tfjs";
import { arithmetic, twoFloats } from "./arithmetic.ts";
import { currentBackend } from "./backend.ts";

/** The tensors and numbers that a program reads, by name. tensorflow.js declares getName(…) for a tensor `name`. */
export class Inputs {
  readonly #tensors = new Map<string, tf.Tensor>();
  readonly #numbers = new Map<string, number>();

  tensor(name: string, tensor: tf.Tensor): void {
    this.#tensors.set(name, tensor);
  }

  number(name: string, value: number): void {
    this.#numbers.set(name, value);
  }

  /** Has the program know the arithmetic of two float32. */
  withTwoFloats(): void {
    this.number("zero", 0);
  }

  /** Whether a program on this device reads so many tensors. */
  get fits(): boolean {
    return this.#tensors.size <= tf.env().getNumber("WEBGL_MAX_TEXTURES_IN_SHADER");
  }

  /** Runs a program over each texel, two rows by two columns, of a float32 tensor. */
  run(source: string, outputShape: readonly number[]): tf.Tensor {
    const program = {
      variableNames: [...this.#tensors.keys()],
      outputShape,
      userCode: [arithmetic, this.#numbers.has("zero") ? twoFloats : "", source].join("\n"),
      packedInputs: true as const,
      packedOutput: true as const,
      customUniforms: [...this.#numbers.keys()].map((name) => ({ name, type: "float" as const })),
    };
    const numbers = [...this.#numbers.values()].map((value) => [value]);
    const info = currentBackend().runWebGLProgram(program, [...this.#tensors.values()], "float32", numbers);
    return tf.engine().makeTensorFromTensorInfo(info);
  }
}

/** The name of the function that tensorflow.js declares for an input. */
export function samplerOf(name: string): string {
  return `get${name[0].toUpperCase()}${name.slice(1)}`;
}

/** How a row is divided among fragments, in texels of two columns. */
export interface Chunks {
  readonly texels: number;
  /** Texels a chunk. */
  readonly length: number;
  readonly count: number;
}

/** Texels that are added up before they are added to the rest: two levels keep float32 sums exact enough. */
const blockLength = 16;
/** The same of chunks. */
const foldLength = 32;

/** Texels of a chunk in rows that are not very long. */
const chunkLength = 128;

/** More chunks than these would make the loop that folds them long: some drivers cap loops. */
const mostChunks = 1024;

export function chunksOf(classes: number): Chunks {
  const texels = Math.ceil(classes / 2);
  const length = Math.max(chunkLength, Math.ceil(texels / mostChunks / blockLength) * blockLength);
  return { texels, length, count: Math.ceil(texels / length) };
}

/** A loop over the chunk's texels in blocks. */
export function overChunk({ texels, length }: Chunks, body: string): string {
  return `
    int chunkStart = (coords.y / 2) * ${length};
    int chunkEnd = min(chunkStart + ${length}, ${texels});
    for (int blockStart = chunkStart; blockStart < chunkEnd; blockStart += ${blockLength}) {
      int blockEnd = min(blockStart + ${blockLength}, chunkEnd);
      ${body}
    }`;
}

/** A loop over the texels of partial results, one a chunk, in blocks. */
export function overPartials({ count }: Chunks, before: string, body: string, after: string): string {
  return `
    for (int blockStart = 0; blockStart < ${count}; blockStart += ${foldLength}) {
      int blockEnd = min(blockStart + ${foldLength}, ${count});
      ${before}
      for (int chunk = blockStart; chunk < blockEnd; chunk++) {
        ${body}
      }
      ${after}
    }`;
}

/** GLSL that blanks the column beyond the end of rows of an odd length. */
export function withinRow(classes: number, column: string, lanes: string, blank: string): string {
  return classes % 2 === 0 ? "" : `if (${column} == ${classes - 1}) ${lanes}.yw = vec2(${blank});`;
}
