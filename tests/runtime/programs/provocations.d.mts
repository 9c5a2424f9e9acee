import type { BackendReport } from "lossmith/runtime";

interface Provoked {
  readonly message: string;
  readonly works: boolean;
}

interface Refused {
  readonly message: string;
  /** The backend that was current before, and is still. */
  readonly remains: string;
}

export function start(argument?: null): Promise<BackendReport>;
export function offer(argument?: null): Promise<{
  readonly limits: readonly number[];
  readonly offered: readonly number[];
  readonly hasTimestamps: boolean;
  readonly offersTimestamps: boolean;
  readonly kernelMs: number | string;
}>;
export function tooLarge(argument?: null): Promise<Provoked>;
export function invalidProgram(argument?: null): Promise<Provoked>;
export function readWithoutWaiting(argument?: null): Promise<Provoked>;
export function lostDevice(argument?: null): Promise<{
  readonly inFlight: string;
  readonly read: string;
  readonly operation: string;
  /** Of a tensor of the lost device, without waiting, when there is another. */
  readonly readLater: string;
  readonly isNew: boolean;
  readonly works: boolean;
}>;
export function disposed(argument?: null): Promise<{
  readonly message: string;
  readonly readSync: string;
  readonly reason: string;
  readonly inFlight: boolean;
}>;
export function startedTwice(argument?: null): Promise<boolean>;
export function onlyNullAdapter(argument?: null): Promise<Refused>;
export function zeros(argument?: null): Promise<Refused>;
export function startedAgain(argument?: null): Promise<{ readonly isNew: boolean; readonly works: boolean }>;
