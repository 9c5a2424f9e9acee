/** The part of Node's process, which Bun and Deno have too, that is needed. */
interface Process {
  on?(event: "exit", listener: () => void): void;
  off?(event: "exit", listener: () => void): void;
}

/** Calls `listener` when the process ends, once; in a browser nothing has to be done. */
export function atExit(listener: () => void): void {
  const { process } = globalThis as { readonly process?: Process };
  process?.off?.("exit", listener);
  process?.on?.("exit", listener);
}
