import type { Clock } from "../../src/base/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly machine: VirtualMachine;
  readonly fire: () => void;
}

/**
 * True time for several machines and a store. It passes when a test says so, and everything that
 * sleeps wakes in order on the way.
 */
export class VirtualTime {
  #nowMs = 1_700_000_000_000;
  readonly timers = new Set<Timer>();

  nowMs(): number {
    return this.#nowMs;
  }

  /** A machine whose wall clock is wrong by `skewMs`. */
  machine(skewMs = 0): VirtualMachine {
    return new VirtualMachine(this, skewMs);
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await settle();
      const due = [...this.timers]
        .filter(({ atMs, machine }) => atMs <= endMs && !machine.isStopped)
        .toSorted((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      this.timers.delete(due);
      due.fire();
    }
    this.#nowMs = endMs;
  }
}

/** The clocks of one machine. Stopped, as by SIGSTOP, none of its sleepers wakes. */
export class VirtualMachine implements Clock {
  readonly #time: VirtualTime;
  readonly #skewMs: number;
  readonly #bootedMs: number;
  isStopped = false;

  constructor(time: VirtualTime, skewMs: number) {
    this.#time = time;
    this.#skewMs = skewMs;
    // Monotonic clocks of two machines have nothing to do with one another.
    this.#bootedMs = 12_345 + Math.abs(skewMs) * 7;
  }

  nowMs(): number {
    return this.#time.nowMs() + this.#skewMs;
  }

  monotonicMs(): number {
    return this.#time.nowMs() - this.#bootedMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const { timers } = this.#time;
      const onAbort = (): void => {
        timers.delete(timer);
        reject(signal?.reason as Error);
      };
      const fire = (): void => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      const timer = { atMs: this.#time.nowMs() + ms, machine: this, fire };
      timers.add(timer);
      signal?.addEventListener("abort", onAbort);
    });
  }

  breathe(): Promise<void> {
    return Promise.resolve();
  }
}

/** Everything that waits for nothing but promises goes as far as it can. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}
