/** The only source of time in `src/`. A simulation passes a virtual one. */
export interface Clock {
  /** Wall time in milliseconds since 1970. May jump, and may differ between machines. */
  nowMs(): number;
  /** Milliseconds since some fixed moment: never jumps, stands still while a machine sleeps. */
  monotonicMs(): number;
  /** Resolves after at least `ms`; rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Lets other work of this process run, as soon as there is none left to run. */
  breathe(): Promise<void>;
  /**
   * Keeps this process from ending because nothing is left to do, until what it returns is called.
   * A clock without it has no process to keep.
   */
  keepAlive?(): () => void;
}

/** The process's own clock. Its timers do not keep a process alive. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason as Error);
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason as Error);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      if (typeof timer === "object") timer.unref();
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  },
  breathe: () => new Promise((resolve) => setImmediate(resolve)),
  keepAlive: () => keepAlive(),
};

/** The same clock for work that may be given up: breathing rejects once the signal is aborted. */
export function abortableClock(clock: Clock, signal: AbortSignal | undefined): Clock {
  if (signal === undefined) return clock;
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    sleep: (ms, other) => clock.sleep(ms, other ?? signal),
    async breathe() {
      await clock.breathe();
      signal.throwIfAborted();
    },
  };
}

/** Nothing is due then: a process that waits does nothing more often than this. */
const FAR_MS = 2 ** 30;

/** Keeps this process from ending because nothing is left to do, until what it returns is called. */
export function keepAlive(): () => void {
  const timer = setInterval(() => undefined, FAR_MS);
  return () => clearInterval(timer);
}

/** Keeps a process from ending while calls are under way, however they wait. */
export class Awake {
  readonly #clock: Clock;
  #calls = 0;
  #letGo: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async during<T>(run: () => Promise<T>): Promise<T> {
    if (this.#calls++ === 0) this.#letGo = this.#clock.keepAlive?.();
    try {
      return await run();
    } finally {
      if (--this.#calls === 0) this.#letGo?.();
    }
  }
}
