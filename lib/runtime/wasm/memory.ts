import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import { LossError } from "../../loss/error.ts";

/** The part of the module that gives tensors their memory. */
interface Allocator {
  _malloc(bytes: number): number;
  _free(address: number): void;
}

const most = 2 ** 32;

/**
 * Makes an error of memory that is not there: tensorflow.js takes the address 0, where none is left, for a tensor's own,
 * and writes over whatever lies there.
 */
export function refuseMissingMemory({ wasm }: Pick<BackendWasm, "wasm">): void {
  const allocator = wasm as unknown as Allocator;
  // The module puts another function in the place of this one at its first call.
  allocator._free(allocator._malloc(1));
  const { _malloc: allocate } = allocator;
  allocator._malloc = (bytes) => {
    const address = bytes < most ? allocate(bytes) : 0;
    if (address !== 0 || bytes === 0) return address;
    throw new LossError(
      "wasm",
      `there is no memory for a tensor of ${bytes} bytes: wasm has 4 GiB at most`,
      "Dispose of tensors that are not needed, make the batch smaller, or use another backend",
    );
  };
}
