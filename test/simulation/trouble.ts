import type { FaultKind, Faults } from "./faults.ts";
import type { Scheduler } from "./scheduler.ts";

/** Something that goes on for a while once it has begun: a storm, a full disk. */
export class Trouble {
  readonly #scheduler: Scheduler;
  readonly #faults: Faults;
  readonly #kind: FaultKind;
  readonly #lengthsMs: readonly number[];
  #untilMs = Number.NEGATIVE_INFINITY;

  constructor(options: {
    readonly scheduler: Scheduler;
    readonly faults: Faults;
    readonly kind: FaultKind;
    /** How long it may last, each as likely as another. */
    readonly lengthsMs: readonly number[];
  }) {
    this.#scheduler = options.scheduler;
    this.#faults = options.faults;
    this.#kind = options.kind;
    this.#lengthsMs = options.lengthsMs;
  }

  end(): void {
    this.#untilMs = Number.NEGATIVE_INFINITY;
  }

  /** Whether it goes on now; where it does not, it begins with this chance. */
  goesOn(chance: number): boolean {
    const lengthMs = this.#scheduler.pick(this.#lengthsMs);
    const { nowMs } = this.#scheduler;
    if (nowMs < this.#untilMs) return true;
    if (!this.#faults.occurs(this.#kind, chance)) return false;
    this.#scheduler.note(`${this.#kind} for ${Math.round(lengthMs / 1_000)} s`);
    this.#untilMs = nowMs + lengthMs;
    return true;
  }
}
