import type { Clock } from "../../src/base/clock.ts";
import { ManualClock } from "./manual-clock.ts";

/**
 * The clocks of one machine over a true time that machines and stores share.
 *
 * The wall clock may be wrong by some skew. The monotonic clock stands still while the machine is
 * suspended, as those of operating systems do.
 */
export class FakeClock implements Clock {
  readonly time: ManualClock;
  #skewMs: number;
  #suspendedMs = 0;

  constructor(time = new ManualClock(), skewMs = 0) {
    this.time = time;
    this.#skewMs = skewMs;
  }

  nowMs(): number {
    return this.time.nowMs() + this.#skewMs;
  }

  monotonicMs(): number {
    return this.time.monotonicMs() - this.#suspendedMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.time.sleep(ms, signal);
  }

  breathe(): Promise<void> {
    return Promise.resolve();
  }

  /** Time passes for everybody. */
  advance(ms: number): void {
    this.time.advance(ms);
  }

  /** Time passes, and this machine does not notice on its monotonic clock. */
  suspend(ms: number): void {
    this.time.advance(ms);
    this.#suspendedMs += ms;
  }

  /** The machine is suspended while `run` happens elsewhere. */
  async suspendDuring(run: () => Promise<void>): Promise<void> {
    const beforeMs = this.time.monotonicMs();
    await run();
    this.#suspendedMs += this.time.monotonicMs() - beforeMs;
  }

  /** Somebody sets this machine's wall clock. */
  jump(ms: number): void {
    this.#skewMs += ms;
  }
}
