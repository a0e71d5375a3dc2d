import type { Clock } from "../base/clock.ts";

/** What is run, and how often at most. */
export interface CoalescedOptions {
  readonly clock: Clock;
  /** Ends with the run that is on its way; nothing begins after it. */
  readonly signal: AbortSignal;
  /** From the start of one run to that of the next, at least. */
  readonly spacingMs: number;
  /** Errors are its own affair: one that comes out ends nothing. */
  readonly run: () => Promise<void>;
}

/**
 * Work that is asked for more often than it should be done. One run at a time; all who ask while
 * one is waited for or running get one more, together.
 */
export class Coalesced {
  readonly #options: CoalescedOptions;
  #isWanted = false;
  #isRunning = false;
  #running: Promise<void> | undefined;
  #startedMs = Number.NEGATIVE_INFINITY;

  constructor(options: CoalescedOptions) {
    this.#options = options;
  }

  /** Never waits, never throws. */
  request(): void {
    this.#isWanted = true;
    if (this.#isRunning || this.#options.signal.aborted) return;
    // A flag of its own, which falls in the moment in which nothing is wanted any more: until a
    // promise tells of its end a request could get lost.
    this.#isRunning = true;
    this.#running = this.#run();
  }

  /** Resolves when nothing that was asked for is left to do. */
  async settled(): Promise<void> {
    while (this.#isRunning) await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, signal, spacingMs, run } = this.#options;
    try {
      while (this.#isWanted) {
        const waitMs = this.#startedMs + spacingMs - clock.monotonicMs();
        if (waitMs > 0) await clock.sleep(waitMs, signal);
        if (signal.aborted) return;
        this.#isWanted = false;
        this.#startedMs = clock.monotonicMs();
        await run().catch(() => undefined);
      }
    } catch {
      // Woken by the signal.
    } finally {
      this.#isRunning = false;
    }
  }
}
