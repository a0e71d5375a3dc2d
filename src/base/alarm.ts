import type { Clock } from "./clock.ts";

/** A sleep that others may cut short. */
export class Alarm {
  #ring = new AbortController();

  /** Ends the sleep that goes on, or the next one before it begins. */
  ring(): void {
    this.#ring.abort();
  }

  /** Resolves after `ms`, or when rung; rejects with the reason of `signal`. One at a time. */
  async sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const ring = this.#ring;
    const stop = (): void => ring.abort();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await clock.sleep(ms, ring.signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!ring.signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", stop);
      if (ring.signal.aborted) this.#ring = new AbortController();
    }
  }
}
