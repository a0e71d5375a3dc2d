/*
 * What goes wrong in a campaign and when: all of it follows from the seed. Nothing is done here.
 */

/**
 * Who there is: loops that write and read, and how the database is opened. `isIndexless` is
 * `writeOnly`, `isCached` has a cache on disk, and those that are `isHinted` share a relay.
 */
export const ACTORS = [
  { name: "w1", role: "writer", writes: 3, reads: 1, compactsEveryMs: 20_000, isHinted: true },
  { name: "w2", role: "writer", writes: 3, reads: 1, indexing: { batchIndexUpdates: false } },
  { name: "w3", role: "writer", writes: 3, reads: 1, isIndexless: true },
  { name: "h1", role: "hybrid", writes: 1, reads: 1, compactsEveryMs: 5_000, isHinted: true },
  { name: "r1", role: "reader", writes: 0, reads: 2, isCached: true },
  { name: "r2", role: "reader", writes: 0, reads: 2, isHinted: true },
  { name: "r3", role: "reader", writes: 0, reads: 2 },
  { name: "r4", role: "reader", writes: 0, reads: 2 },
];

/** Whose clock is far off. It tries to write all the time, and nothing of it may appear. */
export const OUTSIDER = { name: "o1", role: "writer", writes: 1, reads: 0, isOff: true };

/** Distances of the outsider's clock: one that the store accepts in signatures, and one that not. */
const OFF_MS = [600_000, -600_000, 3_600_000, -3_600_000];

/** How far clocks of others may be wrong, either way. */
const SKEW_MS_MAX = 400;

/** How the store's time and all clocks jump, while the monotonic ones stand still. */
const JUMPS_MS = [3 * 60_000, 16 * 60_000, 16 * 60_000, 25 * 3_600_000];

/** Faults of connections, and how long a proxy has them. */
const WEATHERS = ["refuse", "swallow", "cut", "error", "busy", "late", "slow", "mixed"];

/** Milliseconds between two faults of a kind, on average, and at the least how many there are. */
const RATES = {
  kill: { everyMs: 6_000 },
  close: { everyMs: 20_000 },
  stop: { everyMs: 7_000 },
  weather: { everyMs: 3_500 },
  skew: { everyMs: 8_000 },
  gateway: { everyMs: 25_000 },
  jump: { everyMs: 12_000 },
};

/** Milliseconds at the beginning in which nothing goes wrong, so that there is something to lose. */
const CALM_MS = 2_000;

/**
 * @param {object} options
 * @param {number} options.durationMs
 * @param {{ next(): number }} options.random
 * @param {string[]} options.names Of those that it happens to.
 * @returns Faults in the order of their times, counted from the moment when all processes run.
 */
export function planChaos({ durationMs, random, names }) {
  const pick = (values) => values[Math.floor(random.next() * values.length)];
  const make = {
    kill: () => ({
      target: pick(names),
      downMs: Math.round(50 + 2_500 * random.next() ** 2),
      isRenamed: random.next() < 0.4,
    }),
    close: () => ({ target: pick(names), downMs: Math.round(50 + 1_000 * random.next()) }),
    stop: () => ({ target: pick(names), forMs: stopMs(random, durationMs) }),
    weather: () => ({
      target: pick([...names, "*"]),
      weather: pick(WEATHERS),
      forMs: Math.round(500 + 3_500 * random.next()),
    }),
    skew: () => ({ target: pick(names), skewMs: skewMs(random) }),
    gateway: () => ({ downMs: Math.round(2_000 * random.next() ** 2) }),
    jump: () => ({ byMs: pick(JUMPS_MS), isSuspended: random.next() < 0.5 }),
  };
  const faults = [];
  for (const [kind, { everyMs }] of Object.entries(RATES)) {
    const count = Math.max(1, Math.round((durationMs - CALM_MS) / everyMs));
    for (let i = 0; i < count; i++) {
      const atMs = Math.round(CALM_MS + (durationMs - CALM_MS) * random.next());
      faults.push({ atMs, kind, ...make[kind]() });
    }
  }
  return {
    faults: faults.toSorted((a, b) => a.atMs - b.atMs),
    skewsMs: Object.fromEntries(names.map((name) => [name, skewMs(random)])),
    offMs: pick(OFF_MS),
  };
}

/** Mostly shorter than a heartbeat is missed, now and then up to 90 s, in short runs a quarter. */
function stopMs(random, durationMs) {
  const longestMs = Math.min(90_000, durationMs / 4);
  return Math.round(random.next() < 0.7 ? 200 + 3_000 * random.next() : longestMs * random.next());
}

function skewMs(random) {
  return Math.round((2 * random.next() - 1) * SKEW_MS_MAX);
}
