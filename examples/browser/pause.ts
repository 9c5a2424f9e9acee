/** Something that can be held up, and goes on from where it was. */
export interface Pause {
  readonly isOn: boolean;
  set(isOn: boolean): void;
  /** Resolves at once, or when the pause ends. */
  wait(): Promise<void>;
}

export function makePause(): Pause {
  let isOn = false;
  let waiting: (() => void)[] = [];
  return {
    get isOn() {
      return isOn;
    },
    set: (on) => {
      isOn = on;
      if (on) return;
      for (const resolve of waiting) resolve();
      waiting = [];
    },
    wait: () => (isOn ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve()),
  };
}
