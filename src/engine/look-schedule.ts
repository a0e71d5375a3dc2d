import type { Clock } from "../base/clock.ts";
import { erasureStepMs, lookEveryMs } from "./erasure.ts";

/** What a look is to do. */
export interface Look {
  /** Whoever holds maintenance has had its time twice over. */
  readonly takeOver: boolean;
}

/** What is known here, asked for only when it is needed. */
export interface LookInput {
  readonly storeNowMs: number;
  /** Since when something waits to be erased, as far as this process knows. */
  readonly waitingSinceMs: () => number | undefined;
}

/**
 * When a process that may maintain looks whether something is due for its age: at once when it
 * finds that overdue on its first call, since it may not live for long; else at an even pace.
 * Spec: docs/specs/erasure.md.
 */
export class LookSchedule {
  readonly #clock: Clock;
  readonly #deletedGoneWithinMs: number;
  #nextMs: number | undefined;

  constructor(clock: Clock, options: { readonly deletedGoneWithinMs: number }) {
    this.#clock = clock;
    this.#deletedGoneWithinMs = options.deletedGoneWithinMs;
  }

  /** The look that is due now, once; `undefined` when none is. */
  next({ storeNowMs, waitingSinceMs }: LookInput): Look | undefined {
    const nowMs = this.#clock.monotonicMs();
    if (this.#nextMs !== undefined && nowMs < this.#nextMs) return undefined;
    const pace = { deletedGoneWithinMs: this.#deletedGoneWithinMs };
    const isFirst = this.#nextMs === undefined;
    this.#nextMs = nowMs + lookEveryMs(pace);
    const sinceMs = waitingSinceMs();
    const waitedMs = sinceMs === undefined ? 0 : storeNowMs - sinceMs;
    const stepMs = erasureStepMs(pace);
    if (isFirst && waitedMs < stepMs) return undefined;
    return { takeOver: waitedMs >= stepMs + 2 * lookEveryMs(pace) };
  }
}
