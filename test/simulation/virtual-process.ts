import type { Clock } from "../../src/base/clock.ts";
import { seededRandom, type Random } from "../../src/base/random.ts";
import type { Scheduler } from "./scheduler.ts";

/** How the machine that a process runs on keeps time. */
export interface MachineClock {
  /** Wall clock minus the store's. */
  readonly skewMs: number;
  /** Its monotonic clock stands still while it stalls, as that of a suspended machine does. */
  readonly suspends: boolean;
}

/**
 * One process run: everything it waits for reaches it through `deliver`, so that it can stand
 * still for days or end at any await. What it has sent goes on without it.
 */
export class VirtualProcess {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly clock: Clock;
  isAlive = true;
  skewMs: number;
  readonly suspends: boolean;
  #stalledUntilMs = 0;
  /** What waits for the end of a stall. */
  #waiting: (() => void)[] = [];
  #suspendedMs = 0;

  constructor(name: string, scheduler: Scheduler, machine: MachineClock) {
    this.name = name;
    this.scheduler = scheduler;
    this.skewMs = machine.skewMs;
    this.suspends = machine.suspends;
    this.random = seededRandom(scheduler.below(2 ** 31));
    this.clock = {
      nowMs: () => scheduler.nowMs + this.skewMs,
      monotonicMs: () => scheduler.nowMs - this.#suspendedMs,
      sleep: (ms, signal) => this.#sleep(ms, signal),
      breathe: () => this.wait(0),
    };
  }

  /** Calls `run` now, when the process stands no longer still, or never when it is dead. */
  deliver(run: () => void): void {
    if (!this.isAlive) return;
    if (this.#stalledUntilMs > this.scheduler.nowMs) this.#waiting.push(run);
    else run();
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.scheduler.after(ms, () => this.deliver(resolve));
    });
  }

  /** Whether it stands still. */
  get isStalled(): boolean {
    return this.#stalledUntilMs > this.scheduler.nowMs;
  }

  #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal?.reason as Error);
      signal?.addEventListener("abort", onAbort, { once: true });
      const wake = (): void => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      this.scheduler.after(ms, () => this.deliver(wake));
    });
  }

  stall(ms: number): void {
    const { nowMs } = this.scheduler;
    if (!this.isAlive || this.#stalledUntilMs > nowMs) return;
    this.scheduler.note(`${this.name} stalls for ${Math.round(ms / 1000)} s`);
    this.#stalledUntilMs = nowMs + ms;
    // Nobody looks at a clock while nothing is delivered, so the whole stall may count at once.
    if (this.suspends) this.#suspendedMs += ms;
    this.scheduler.after(ms, () => {
      if (this.#stalledUntilMs <= this.scheduler.nowMs) this.wake();
    });
  }

  /** Ends a stall, whether or not its time is over. What was delivered meanwhile comes in any order. */
  wake(): void {
    const leftMs = this.#stalledUntilMs - this.scheduler.nowMs;
    if (leftMs > 0) this.scheduler.note(`${this.name} wakes early`);
    if (leftMs > 0 && this.suspends) this.#suspendedMs -= leftMs;
    this.#stalledUntilMs = Math.min(this.#stalledUntilMs, this.scheduler.nowMs);
    for (const run of this.#waiting.splice(0)) this.scheduler.after(0, () => this.deliver(run));
  }

  kill(): void {
    if (!this.isAlive) return;
    this.scheduler.note(`${this.name} dies`);
    this.isAlive = false;
  }
}
