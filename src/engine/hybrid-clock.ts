import type { Clock } from "../base/clock.ts";
import { BrainyError } from "../base/errors.ts";
import type { VersionRun } from "../format/operations-block.ts";
import {
  COUNTER_MAX,
  makeVersion,
  versionCounter,
  versionMillis,
  type LaneId,
  type Version,
} from "../format/version.ts";

/** How long one answer may speak for the store's clock: drifts of clocks are 0.1 s by then. */
const ANCHOR_LIVES_MS = 10 * 60_000;

/**
 * Stamps operations: wall time, but never below anything this process has seen, and never far
 * from the store's own time.
 *
 * The store's time is the last answer's date plus what has passed since by the monotonic clock.
 * Spec: docs/specs/log.md, invariant W4.
 */
export class HybridClock {
  readonly #clock: Clock;
  readonly #skewMsMax: number;
  #millis = 0;
  #counter = 0;
  #anchor: { readonly storeMs: number; readonly monotonicMs: number } | undefined;

  constructor(options: { readonly clock: Clock; readonly skewMsMax: number }) {
    this.#clock = options.clock;
    this.#skewMsMax = options.skewMsMax;
  }

  /** Every later stamp is above `version`. */
  observe(version: Version): void {
    const millis = versionMillis(version);
    if (millis < this.#millis) return;
    const counter = versionCounter(version);
    if (millis > this.#millis) this.#counter = counter;
    else this.#counter = Math.max(this.#counter, counter);
    this.#millis = millis;
  }

  /**
   * The date in an answer that has just come. Answers take time, so the store's present time is
   * never before what one says: of the answers of ten minutes the latest by that reckoning counts,
   * and one slow answer does not look like a clock that runs ahead.
   */
  observeStore(storeMs: number): void {
    const monotonicMs = this.#clock.monotonicMs();
    const isYoung =
      this.#anchor !== undefined && monotonicMs - this.#anchor.monotonicMs < ANCHOR_LIVES_MS;
    if (isYoung && this.storeNowMs() > storeMs) return;
    this.#anchor = { storeMs, monotonicMs };
  }

  /** Whether the store has told its time at least once. */
  get isAnchored(): boolean {
    return this.#anchor !== undefined;
  }

  /** The store's present time, as far as this process can know; the wall clock before any answer. */
  storeNowMs(): number {
    if (this.#anchor === undefined) return this.#clock.nowMs();
    return this.#anchor.storeMs + this.#clock.monotonicMs() - this.#anchor.monotonicMs;
  }

  /** By how much the wall clock is ahead of the store's, in milliseconds; negative when behind. */
  skewMs(): number {
    return this.#clock.nowMs() - this.storeNowMs();
  }

  isSkewed(): boolean {
    return Math.abs(this.skewMs()) > this.#skewMsMax;
  }

  /** The error of a clock that may not stamp anything now. Nothing was written. */
  skewError(): BrainyError {
    const skew = Math.round(this.skewMs());
    return new BrainyError(
      "BRAINY_UNAVAILABLE",
      `this machine's clock is ${Math.abs(skew)} ms ${skew > 0 ? "ahead of" : "behind"} the store's; ` +
        `at most ${this.#skewMsMax} ms is safe. Nothing was written. Set the clock, or raise maxClockSkew`,
    );
  }

  /** The next version of `lane`: above every one stamped or observed before. */
  next(lane: LaneId): Version {
    const { millis, counter } = this.reserve(lane, 1);
    return makeVersion(millis, counter, lane);
  }

  /** The next `count` versions of `lane`, which follow each other. */
  reserve(lane: LaneId, count: number): VersionRun {
    const nowMs = Math.floor(this.#clock.nowMs());
    let counter = this.#counter + 1;
    if (nowMs > this.#millis) {
      this.#millis = nowMs;
      counter = 0;
    } else if (counter + count - 1 > COUNTER_MAX) {
      this.#millis++;
      counter = 0;
    }
    this.#counter = counter + count - 1;
    return { lane, millis: this.#millis, counter };
  }
}
