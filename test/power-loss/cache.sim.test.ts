import { expect, test } from "vitest";
import type { Clock } from "../../src/base/clock.ts";
import { seededRandom, type Random } from "../../src/base/random.ts";
import { DiskCache } from "../../src/storage/adapters/disk-cache.ts";
import type { FileCalls } from "../../src/storage/adapters/file-calls.ts";
import { MemoryStore } from "../../src/storage/adapters/memory.ts";
import { assertBytes, patterned } from "../../src/storage/conformance/case.ts";
import { cached } from "../../src/storage/layers/cached.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Disk } from "./disk.ts";
import { explore, Machine, type Judge } from "./machine.ts";

const SEED = Number(process.env["BRAINY_SEED"] ?? 1);
const RUNS = Number(process.env["BRAINY_RUNS"] ?? 3);
const JUDGED_MAX = Number(process.env["BRAINY_STATES"] ?? 80);

const BLOCK = 1_024;
const OBJECTS = ["a.seg", "b.seg", "c.seg"] as const;

/*
 * Nothing of the cache is ever synced, so that a power loss may leave nearly anything of it. Objects
 * are read through the layer, in part and whole, and forgotten, by two runs that share the folder;
 * whatever is left of it, a later run reads what the store has.
 */

const bytesOf = (key: string): Uint8Array =>
  patterned(3 * BLOCK + 10 * key.charCodeAt(0), key.charCodeAt(0));

async function work(machine: Machine, bucket: MemoryStore, name: string): Promise<void> {
  const { scheduler } = machine;
  const process = machine.newProcess(name);
  const cache = newCache(machine.disk.calls(machine.turnOf(process)), process);
  const store = cached(bucket, { cache, isImmutable: () => true });
  for (let step = 0; step < 12; step++) {
    const key = scheduler.pick(OBJECTS);
    const dice = scheduler.below(10);
    const start = scheduler.below(3 * BLOCK);
    if (dice < 6) await store.get(key, { range: [start, start + scheduler.below(BLOCK)] });
    else if (dice < 9) await store.get(key);
    else await cache.forget(key);
    if (scheduler.chance(0.5)) await process.wait(20);
  }
  await store[Symbol.asyncDispose]();
}

function newCache(
  calls: FileCalls,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): DiskCache {
  const options = { dir: "/cache", store: "a", blockBytes: BLOCK, bytesMax: 64 * BLOCK };
  return new DiskCache({ ...options, clock, random, calls });
}

for (let seed = SEED; seed < SEED + RUNS; seed++) {
  test(`[DC1] [DC7] a cache that lost its power serves no damage: BRAINY_SEED=${seed} BRAINY_RUNS=1`, async () => {
    const machine = new Machine({ seed });
    const bucket = new MemoryStore();
    for (const key of OBJECTS) await bucket.put(key, bytesOf(key));
    await machine.run(work(machine, bucket, "p"), work(machine, bucket, "q"));
    let [hits, corrupt] = [0, 0];
    const judge: Judge = {
      async check({ root }, position) {
        const clock = new ManualClock(machine.scheduler.nowMs);
        const disk = new Disk(() => clock.nowMs(), { root });
        for (let run = 0; run < 3; run++) {
          const cache = newCache(disk.calls(), { clock, random: seededRandom(position) });
          const store = cached(bucket, { cache, isImmutable: () => true });
          for (const key of OBJECTS) {
            assertBytes((await store.get(key))?.bytes, (await bucket.get(key))!.bytes);
          }
          await store[Symbol.asyncDispose]();
          hits += cache.counters.hits;
          corrupt += cache.counters.corrupt;
          // A damaged block may hide behind one that is missing, and is found when that is there.
          if (run === 2) expect(cache.counters.corrupt).toBe(0);
        }
      },
    };
    const effort = { seed, builtMax: 12, judgedMax: JUDGED_MAX, thoroughEvery: 1 };
    const result = await explore(machine, judge, effort);
    // A cache that is always empty would pass as well, and so would one that is never damaged.
    expect(hits).toBeGreaterThan(result.judged);
    expect(corrupt).toBeGreaterThan(0);
    if (process.env["BRAINY_VERBOSE"] !== undefined)
      process.stdout.write(`${JSON.stringify({ ...result, workload: "cache", hits, corrupt })}\n`);
  });
}
