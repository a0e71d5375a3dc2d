import { IDLE_AFTER_MS } from "./cluster/liveness.ts";

/** How often a store that other processes may write to is looked at. */
const SHARED_MS = 1_000;
/** How seldom, where each look costs money and nothing changes while this instance is in use. */
const PRICED_MS = 5_000;
/** How often an idle instance does, of a fleet or on a store that charges: a LIST a minute. */
const IDLE_MS = 60_000;
/** How seldom, where hints tell of what is new: for those that are lost. */
const HINTED_MS = 30_000;
/** How much later each look at a store is at which nothing had changed. */
const BACK_OFF = 1.5;

/** Between which waits an instance looks at its store. */
export interface PollPace {
  readonly fastestMs: number;
  readonly slowestMs: number;
  /** While hints arrive. */
  readonly hintedMs: number;
  /** Once nobody has asked for anything in ten minutes. */
  readonly idleMs: number;
}

/** `undefined`: it never looks by itself. */
export function pollPace(instance: {
  /** `pollInterval`, which is then kept to. */
  readonly givenMs: number | undefined;
  readonly isShared: boolean;
  readonly isPriced: boolean;
  readonly isFleet: boolean;
}): PollPace | undefined {
  const { givenMs, isShared, isPriced, isFleet } = instance;
  if (givenMs === 0 || (givenMs === undefined && !isShared)) return undefined;
  if (givenMs !== undefined) {
    return { fastestMs: givenMs, slowestMs: givenMs, hintedMs: givenMs, idleMs: givenMs };
  }
  const slowestMs = isPriced ? PRICED_MS : SHARED_MS;
  const idleMs = isPriced || isFleet ? IDLE_MS : slowestMs;
  return { fastestMs: SHARED_MS, slowestMs, hintedMs: HINTED_MS, idleMs };
}

/** How long to wait after a look: later and later while there is nothing to see. */
export function nextWaitMs(
  { fastestMs, slowestMs, hintedMs, idleMs }: PollPace,
  look: {
    readonly waitedMs: number;
    /** Nothing had changed. */
    readonly isQuiet: boolean;
    /** How long nobody has asked this instance for anything. */
    readonly unusedMs: number;
    /** Others tell this instance of what is new. */
    readonly isHinted?: boolean | undefined;
  },
): number {
  if (!look.isQuiet) return fastestMs;
  if (look.unusedMs >= IDLE_AFTER_MS) return idleMs;
  return Math.min(look.isHinted === true ? hintedMs : slowestMs, look.waitedMs * BACK_OFF);
}
