/** How much one client may send: so many a second, and as many at once. */
export class Allowance {
  readonly #perSecond: number;
  #left: number;
  #countedMs: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond;
    this.#countedMs = nowMs;
  }

  /** Takes one, on credit if need be. */
  take(nowMs: number): void {
    this.#earn(nowMs);
    this.#left--;
  }

  /** How long until there is one to take that is not on credit, in milliseconds. */
  waitMs(nowMs: number): number {
    this.#earn(nowMs);
    return this.#left >= 1 ? 0 : ((1 - this.#left) * 1_000) / this.#perSecond;
  }

  #earn(nowMs: number): void {
    const earned = ((nowMs - this.#countedMs) * this.#perSecond) / 1_000;
    this.#left = Math.min(this.#perSecond, this.#left + Math.max(0, earned));
    this.#countedMs = nowMs;
  }
}
