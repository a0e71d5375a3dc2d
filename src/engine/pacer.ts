import type { Clock } from "../base/clock.ts";

/** Work between two breaths: long enough to be cheap, short enough that nobody waits. */
const SLICE_MS = 2;

/**
 * Keeps long work from holding the event loop, and ends it when its signal says so.
 * Call `isDue` in loops, and `breathe` when it says yes.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  #sliceEndMs: number;

  constructor(clock: Clock, signal?: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
    this.#sliceEndMs = clock.monotonicMs() + SLICE_MS;
  }

  isDue(): boolean {
    return this.#clock.monotonicMs() >= this.#sliceEndMs;
  }

  /** Rejects with the signal's reason once that is aborted. */
  async breathe(): Promise<void> {
    this.#signal?.throwIfAborted();
    await this.#clock.breathe();
    this.#signal?.throwIfAborted();
    this.#sliceEndMs = this.#clock.monotonicMs() + SLICE_MS;
  }

  /** `chunks` as they come, with breaths in between. */
  async *pass<Chunk>(chunks: AsyncIterable<Chunk>): AsyncGenerator<Chunk, void, undefined> {
    for await (const chunk of chunks) {
      if (this.isDue()) await this.breathe();
      yield chunk;
    }
  }
}
