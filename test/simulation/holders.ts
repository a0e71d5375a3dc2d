import type { Faults } from "./faults.ts";
import { HOUR, MINUTE } from "./plan.ts";
import type { Scheduler } from "./scheduler.ts";
import type { VirtualProcess } from "./virtual-process.ts";

/**
 * Makes two processes hold maintenance at once, as far as they know: whoever has just committed
 * stands still, and wakes in the middle of what its successor does.
 */
export class Holders {
  readonly #scheduler: Scheduler;
  readonly #faults: Faults;
  readonly #rate: number;
  #asleep: VirtualProcess | undefined;

  /** `rate`: chance that a holder stands still after a commit. */
  constructor(options: {
    readonly scheduler: Scheduler;
    readonly faults: Faults;
    readonly rate: number;
  }) {
    this.#scheduler = options.scheduler;
    this.#faults = options.faults;
    this.#rate = options.rate;
  }

  /** To be called with every event of a process's maintenance. */
  heard(process: VirtualProcess, type: string): void {
    if (type !== "took-over" && type !== "committed") return;
    const scheduler = this.#scheduler;
    const sleeper = this.#asleep;
    if (type === "took-over" && sleeper !== undefined && sleeper !== process) {
      this.#asleep = undefined;
      scheduler.after(scheduler.below(2_000), () => sleeper.wake());
    }
    const inMs = scheduler.below(2_000);
    const forMs = scheduler.pick([20 * MINUTE, 5 * HOUR, 26 * HOUR]);
    if (!this.#faults.occurs("two-holders", this.#rate)) return;
    this.#asleep = process;
    scheduler.after(inMs, () => process.stall(forMs));
  }
}
