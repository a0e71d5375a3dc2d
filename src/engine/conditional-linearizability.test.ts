import fc from "fast-check";
import { expect, test } from "vitest";
import { ConditionalFleet, type ConditionalRun } from "../../test/support/conditional-fleet.ts";
import { scripted } from "../../test/support/scripted-store.ts";
import { systemClock } from "../base/clock.ts";
import { isBrainyError } from "../base/errors.ts";
import { seededRandom, randomInteger, type Random } from "../base/random.ts";
import type { Version } from "../format/version.ts";
import { faulty } from "../storage/layers/faulty.ts";
import type { ObjectStore } from "../storage/object-store.ts";

const RUNS = 3;
const STEPS = 8;
const IDS = ["x", "y", "z"];

/** A call that was acknowledged, and when it began and ended, in turns of the event loop. */
interface Call {
  readonly id: string;
  readonly from: Version | undefined;
  readonly kind: "add" | "update" | "delete";
  readonly version: Version;
  readonly begun: number;
  readonly ended: number;
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await systemClock.breathe();
}

/** Requests take a few turns each, now and then many: whoever waits for one may be overtaken. */
function slow(inner: ObjectStore, random: Random): ObjectStore {
  const wait = (): Promise<void> => turns(random.next() < 0.05 ? 60 : randomInteger(random, 3));
  return scripted(inner, { before: wait, after: wait });
}

/** One run's calls, one after the other, each on what it sees. */
async function work(run: ConditionalRun, random: Random, calls: Call[]): Promise<void> {
  for (let step = 0; step < STEPS; step++) {
    const id = IDS[randomInteger(random, IDS.length)]!;
    try {
      const present = random.next() < 0.7 ? await run.see(id) : undefined;
      const begun = ++now;
      const kind = present === undefined ? "add" : random.next() < 0.3 ? "delete" : "update";
      const from = present?.version;
      const version =
        kind === "add"
          ? await run.add(id, step)
          : await (kind === "delete" ? run.delete(id, from!) : run.update(id, from!, step));
      calls.push({ id, from, kind, version, begun, ended: ++now });
    } catch (error) {
      // Lost, refused, or unknown: of none of them is anything claimed.
      if (!isBrainyError(error) || error.action !== "retry") throw error;
    }
    if (random.next() < 0.2) {
      for (const partition of run.database.heldPartitions) {
        await run.database.releasePartition(partition, 0).catch(() => undefined);
      }
    }
  }
}

let now = 0;

async function history(seed: number): Promise<{ calls: Call[]; fleet: ConditionalFleet }> {
  const fleet = new ConditionalFleet({ seed });
  const calls: Call[] = [];
  const random = seededRandom(seed);
  const workers = Array.from({ length: RUNS }, async (_, i) => {
    const own = seededRandom(seed * 31 + i);
    const store = { ...slow(fleet.store, own) };
    const run = await fleet.run(store, {
      regard: async () => (["dead", "dead", "unknown", "live"] as const)[randomInteger(own, 4)]!,
    });
    const lossy = faulty(slow(fleet.store, own), {
      random: own,
      errorRate: 0.01 + random.next() / 10,
    });
    // Opened through a calm store; from here on answers are lost.
    Object.assign(store, { get: lossy.get, put: lossy.put });
    // Two at a time: each may lose the lane under the other.
    await Promise.all([work(run, own, calls), work(run, own, calls)]);
  });
  await Promise.all(workers);
  return { calls, fleet };
}

/** Every acknowledged call was made from the one before it, in an order that time agrees with. */
async function check(calls: readonly Call[], fleet: ConditionalFleet): Promise<void> {
  for (const id of IDS) {
    const stored = await fleet.operations(id);
    const own = calls
      .filter((call) => call.id === id)
      .toSorted((a, b) => (a.version < b.version ? -1 : 1));
    for (const [i, call] of own.entries()) {
      const between = (kind: string | undefined): boolean =>
        stored.some(
          ({ version, kind: other }) =>
            version > (own[i - 1]?.version ?? "") &&
            version < call.version &&
            (kind === undefined || kind === other),
        );
      const before = own[i - 1];
      for (const later of own.slice(i + 1)) {
        expect(later.ended, `${later.version} ended before ${call.version} began`).toBeGreaterThan(
          call.begun,
        );
      }
      if (call.kind === "add") {
        // Nothing, a delete, or a delete of unknown outcome stands before it.
        const isFree = before === undefined || before.kind === "delete" || between("delete");
        expect(isFree, `${id}: ${call.version} was added over ${before?.version}`).toBe(true);
      } else {
        expect(
          call.from! >= (before?.version ?? ""),
          `${id}: ${call.version} lost ${before?.version}`,
        ).toBe(true);
        expect(stored.some(({ version }) => version === call.from)).toBe(true);
      }
    }
  }
}

test("[L1] [L2] [L4] conditional operations of several runs are linearizable, whatever is lost", async () => {
  let acknowledged = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), async (seed) => {
      const { calls, fleet } = await history(seed);
      acknowledged += calls.length;
      await check(calls, fleet);
    }),
    { numRuns: Number(process.env["BRAINY_RUNS"] ?? 12), endOnFailure: true },
  );
  expect(acknowledged).toBeGreaterThan(100);
}, 120_000);
