// Worlds in which stories happen that seeds rarely choose by themselves.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Clocks of machines are seconds apart, and everything is compacted all the time. */
export const SKEWED = {
  plan: { actors: 3, steps: 150, skewMs: 4_000, flushSlots: 2, stallRate: 0, idleRate: 0 },
};

/** Machines that are suspended for a day and wake up. */
export const SLEEPY = {
  plan: { actors: 3, steps: 150, stallRate: 0.7, idleRate: 0.15, deathRate: 0, flushSlots: 2 },
};

/** A network that loses, repeats and delays, for hours. */
export const STORMY = {
  plan: { actors: 3, steps: 120, isPatient: true, flushSlots: 2 },
  weather: {
    faultRate: 0.15,
    zombieRate: 1,
    zombieMs: HOUR_MS,
    duplicateRate: 0.1,
    slowRate: 0.05,
    slowMs: 2 * MINUTE_MS,
  },
};

/** Processes that never stand still, so that they take from each other. */
export const BUSY = {
  plan: { actors: 3, steps: 150, idleRate: 0, stallRate: 0, deathRate: 0, jumpRate: 0 },
};

/** Clocks that somebody sets while processes run. */
export const JUMPY = {
  plan: { steps: 120, jumpRate: 1, idleRate: 0, stallRate: 0, deathRate: 0 },
};

/** Reads whose bytes are not those that were stored. */
export const DAMAGED = {
  plan: { idleRate: 0 },
  weather: { damageRate: 0.02 },
};
