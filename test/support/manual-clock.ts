import type { Clock } from "../../src/base/clock.ts";

/** Time that moves when a test says so, and when somebody sleeps. */
export class ManualClock implements Clock {
  #ms: number;

  constructor(ms = 1_700_000_000_000) {
    this.#ms = ms;
  }

  nowMs(): number {
    return this.#ms;
  }

  monotonicMs(): number {
    return this.#ms;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#ms += ms;
  }

  breathe(): Promise<void> {
    return Promise.resolve();
  }

  advance(ms: number): void {
    this.#ms += ms;
  }
}
