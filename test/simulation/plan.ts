import type { Scheduler } from "./scheduler.ts";

/** In milliseconds. */
export const MINUTE = 60_000;
/** In milliseconds. */
export const HOUR = 60 * MINUTE;

/** What a seed decides once. */
export interface Plan {
  readonly actors: number;
  readonly steps: number;
  readonly deathRate: number;
  readonly stallRate: number;
  /** Chance that a holder of maintenance stands still after a commit. */
  readonly holderStallRate: number;
  /** Chance that a process only reads, and looks away for long. */
  readonly pinnedRate: number;
  /** Chance that an older copy of everything is put back after an act. */
  readonly restoreRate: number;
  readonly idleRate: number;
  readonly jumpRate: number;
  readonly skewMs: number;
  readonly flushSlots: number;
  readonly memoryBytesMax: number;
  /** Encoded masks up to this size are part of the manifest, larger ones are objects. */
  readonly maskBytesInlineMax: number;
  /** Whether settings leave the number of dimensions to the first vector. */
  readonly isOpen: boolean;
  /** Whether reads are repeated, as with a real store. */
  readonly isPatient: boolean;
}

/** A seed's plan: each choice has extremes, so that few seeds go a middle way. */
export function planOf(scheduler: Scheduler): Plan {
  return {
    actors: 2 + scheduler.below(2),
    steps: 40 + scheduler.below(80),
    deathRate: scheduler.pick([0, 0.3, 0.7]),
    stallRate: scheduler.pick([0, 0, 0.2, 0.5]),
    holderStallRate: scheduler.pick([0, 0, 0, 0.02, 0.3]),
    pinnedRate: scheduler.pick([0, 0, 0.15]),
    restoreRate: scheduler.pick([0, 0, 0, 0.1]),
    idleRate: scheduler.pick([0, 0.02, 0.15]),
    jumpRate: scheduler.pick([0, 0, 0, 0, 0.2]),
    skewMs: scheduler.pick([0, 1_000, 4_000]),
    flushSlots: scheduler.pick([2, 3, 6, 20]),
    memoryBytesMax: scheduler.pick([12_000, 2 ** 20]),
    maskBytesInlineMax: scheduler.pick([0, 3_072]),
    isOpen: scheduler.chance(0.3),
    isPatient: scheduler.chance(0.6),
  };
}
