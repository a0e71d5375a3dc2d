import type { Faults } from "./faults.ts";
import { HOUR, MINUTE, type Plan } from "./plan.ts";
import type { Scheduler } from "./scheduler.ts";

/** How the network and the store of one seed behave. */
export interface Weather {
  /** Chance that a request fares badly, in one of the ways of `fates`. */
  faultRate: number;
  readonly fates: readonly Fate[];
  /** Chance that a request begins a storm in which most requests are refused. */
  stormRate: number;
  /** Chance that a put finds the disk full, which then lasts. */
  fullRate: number;
  /** Chance that a conditional put is told of a race that there was not. */
  oddConflictRate: number;
  /** Chance that the bytes of a read are not those that were stored. */
  damageRate: number;
  /** Chance that a put is followed by damage to an object that is stored. */
  rotRate: number;
  /** Whether ways take what S3 takes; else up to `latencyMs`. */
  readonly isLikeS3: boolean;
  /** Longest usual way of a request, there or back. */
  latencyMs: number;
  /** Chance that one way takes up to `slowMs` instead. */
  slowRate: number;
  slowMs: number;
  /** Chance that a request which its sender gave up arrives after all, and how late at most. */
  zombieRate: number;
  zombieMs: number;
  /** Chance that the network brings a conditional put a second time, up to `zombieMs` later. */
  duplicateRate: number;
  readonly pageSize: number;
  /** Chance that a page of a listing ends after any of its keys. */
  readonly splitRate: number;
  /** Listings in the order of a hash and not of keys. */
  readonly isListShuffled: boolean;
  /** Equal bytes have equal etags. */
  readonly hasContentEtags: boolean;
  readonly hasQuotedEtags: boolean;
  /** What a store answers when a condition does not hold. */
  readonly conflictStatus: 404 | 409 | 412;
}

/** What may become of a request that fares badly. */
export const FATES = ["request-lost", "answer-lost", "error-after-effect", "late-effect"] as const;
/** One of `FATES`. */
export type Fate = (typeof FATES)[number];

/**
 * A seed's weather. A network may be worse where reads are repeated. Each kind of trouble is left
 * out of many seeds, and strong in few: what one hides another shows.
 */
export function weatherOf(scheduler: Scheduler, faults: Faults, { isPatient }: Plan): Weather {
  const fates = FATES.filter(() => scheduler.chance(0.7));
  return {
    fates,
    faultRate:
      fates.length === 0 ? 0 : scheduler.pick(isPatient ? [0.01, 0.05, 0.15] : [0, 0.005, 0.02]),
    stormRate: scheduler.pick([0, 0, 0, 0.0005, 0.005]),
    fullRate: scheduler.pick([0, 0, 0, 0.001, 0.01]),
    oddConflictRate: scheduler.pick([0, 0, 0.02, 0.3]),
    damageRate: scheduler.pick([0, 0, 0, 0.002, 0.02]),
    rotRate: scheduler.pick([0, 0, 0, 0.01, 0.1]),
    isLikeS3: scheduler.chance(0.3),
    latencyMs: scheduler.pick([5, 50, 400]),
    slowRate: scheduler.pick([0, 0.01, 0.05]),
    slowMs: scheduler.pick([5_000, 2 * MINUTE]),
    zombieRate: scheduler.pick([0, 0.5, 1]),
    zombieMs: scheduler.pick([10_000, HOUR, 48 * HOUR]),
    duplicateRate: scheduler.pick([0, 0, 0.1, 0.4]),
    pageSize: scheduler.pick([1_000, 1_000, 20, 10, 3]),
    splitRate: scheduler.pick([0, 0, 0.1, 0.5]),
    isListShuffled: scheduler.chance(0.4),
    hasContentEtags: faults.occurs("equal-etags", 0.5),
    hasQuotedEtags: faults.occurs("quoted-etags", 0.3),
    conflictStatus: scheduler.pick([412, 412, 409, 404]),
  };
}
