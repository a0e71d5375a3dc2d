import type { Clock } from "../base/clock.ts";

/**
 * Says when a chain of manifests has stood still for too long, by this process's own clock:
 * no two clocks are ever compared.
 */
export class StillnessWatch {
  readonly #clock: Clock;
  readonly #limitMs: number;
  #seen: string | undefined;
  #sinceMs = 0;

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  /** To be called with every newest manifest that is read. */
  standsStill({ number, nonce }: { readonly number: number; readonly nonce: string }): boolean {
    const nowMs = this.#clock.monotonicMs();
    const name = `${number} ${nonce}`;
    if (name !== this.#seen) {
      this.#seen = name;
      this.#sinceMs = nowMs;
    }
    return nowMs - this.#sinceMs >= this.#limitMs;
  }
}
