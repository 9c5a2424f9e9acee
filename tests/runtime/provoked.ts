/** What must come of the provocations, wherever they are run. */
import { expect } from "bun:test";
import type * as provocations from "./programs/provocations.mjs";

type All = {
  readonly [K in keyof typeof provocations]: Awaited<ReturnType<(typeof provocations)[K]>>;
};

/** Without the Null adapter where the runtime has no WebGPU of its own. */
export type Results = Omit<All, "onlyNullAdapter"> & Partial<All>;

/** Each expectation by what it says, in the order in which the provocations are run. */
export const expectations: readonly {
  readonly says: string;
  readonly holds: (results: Results) => void;
}[] = [
  {
    says: "webgpu starts, and its report names the adapter",
    holds: ({ start }) => {
      expect(start.backend).toBe("webgpu");
      expect(start.passedOver).toEqual([]);
      expect(start.adapter?.description).not.toBe("");
    },
  },
  {
    says: "the device has the adapter's limits, and times kernels where the adapter can",
    holds: ({ offer }) => {
      expect(offer.limits).toEqual(offer.offered);
      expect(offer.hasTimestamps).toBe(offer.offersTimestamps);
      if (offer.offersTimestamps) expect(offer.kernelMs).toBeGreaterThan(0);
    },
  },
  {
    says: "a tensor above the largest binding is an error that says so",
    holds: ({ tooLarge }) => {
      expect(tooLarge.message).toMatch(
        /^webgpu: a tensor needs a buffer of \d+ bytes, and the device binds \d+ at most/,
      );
      expect(tooLarge.works).toBe(true);
    },
  },
  {
    says: "invalid WGSL is an error where its result is read, and names the place",
    holds: ({ invalidProgram }) => {
      expect(invalidProgram.message).toMatch(/^webgpu: the device refused a command: /);
      expect(invalidProgram.message).toContain("noSuchFunction");
      expect(invalidProgram.works).toBe(true);
    },
  },
  {
    says: "dataSync of a tensor on the GPU is an error that says what to write",
    holds: ({ readWithoutWaiting }) => {
      expect(readWithoutWaiting.message).toContain("Use await tensor.data() in place of tensor.dataSync()");
      expect(readWithoutWaiting.works).toBe(true);
    },
  },
  {
    says: "a backend that runs is kept, with its tensors",
    holds: ({ startedTwice }) => expect(startedTwice).toBe(true),
  },
  {
    says: "a lost device is named by the read in flight, the next read and the next operation; useBackend starts again",
    holds: ({ lostDevice: { inFlight, read, operation, readLater, isNew, works } }) => {
      for (const message of [inFlight, read, operation, readLater]) {
        expect(message).toMatch(/^webgpu: the device was lost \(destroyed/);
        expect(message).toContain('call useBackend("webgpu") again');
      }
      expect({ isNew, works }).toEqual({ isNew: true, works: true });
    },
  },
  {
    says: "disposeBackend lets reads end and frees the device",
    holds: ({ disposed: { message, readSync, ...rest } }) => {
      for (const one of [message, readSync]) expect(one).toMatch(/^webgpu: the backend was disposed of/);
      expect(rest).toEqual({ reason: "destroyed", inFlight: true });
    },
  },
  {
    says: "a device that computes zeros does not pass the self-test",
    holds: ({ zeros }) => {
      expect(zeros.message).toMatch(/webgpu computes wrong numbers: 0, 0, 0, 0 in place of 19, 22, 43, 50/);
      expect(zeros.remains).toBe("cpu");
    },
  },
  {
    says: "after a disposal and what is refused useBackend starts again, with a new device",
    holds: ({ startedAgain }) => expect(startedAgain).toEqual({ isNew: true, works: true }),
  },
];

/** Where the runtime's own WebGPU is the only one, a Null adapter is the end of the search. */
export function expectNullRefused({ onlyNullAdapter }: Results): void {
  expect(onlyNullAdapter?.message).toContain("has only a Null adapter, which computes nothing");
  expect(onlyNullAdapter?.remains).toBe("cpu");
}
