import { expect, test } from "vitest";
import fc from "fast-check";
import { systemClock, type Clock } from "../../base/clock.ts";
import { BrainyError, isBrainyError } from "../../base/errors.ts";
import { seededRandom } from "../../base/random.ts";
import { MemoryStore } from "../adapters/memory.ts";
import type { ObjectStore } from "../object-store.ts";
import { objectStoreConformance } from "../conformance.ts";
import { faulty } from "./faulty.ts";
import { metered } from "./metered.ts";
import { prefixed } from "./prefixed.ts";
import { retrying } from "./retrying.ts";

const some = new Uint8Array([1, 2, 3]);
const ABSENT = { condition: { ifAbsent: true } } as const;

async function keysOf(store: ObjectStore, prefix = ""): Promise<string[]> {
  const keys: string[] = [];
  for await (const { objects } of store.list({ prefix })) keys.push(...objects.map((o) => o.key));
  return keys;
}

/** A clock whose waits are over at once, and written down. */
function instantClock(waits: number[]): Clock {
  return {
    ...systemClock,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      waits.push(ms);
    },
  };
}

/** Fails the first `failures` calls after their effect, and counts all of them. */
function failingFirst(
  inner: ObjectStore,
  failures: number,
): { store: ObjectStore; calls: string[] } {
  const calls: string[] = [];
  const store = new Proxy(inner, {
    get(target, name: keyof ObjectStore) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function" || name === "list") return value;
      return async (...all: unknown[]) => {
        calls.push(String(name));
        const result: unknown = await Reflect.apply(value, target, all);
        if (calls.length <= failures) throw new BrainyError("BRAINY_UNAVAILABLE", "answer lost");
        return result;
      };
    },
  });
  return { store, calls };
}

test("[O3] a conditional put is sent once, whatever happens", async () => {
  const inner = new MemoryStore();
  const { store, calls } = failingFirst(inner, 1);
  const retried = retrying(store, { clock: instantClock([]), random: seededRandom(1) });
  await expect(retried.put("k", some, ABSENT)).rejects.toMatchObject({
    code: "BRAINY_UNAVAILABLE",
  });
  expect(calls).toEqual(["put"]);
  // It had won: a second attempt would have called that a conflict.
  expect((await inner.get("k"))?.bytes).toEqual(some);
});

test("[O3] a stream is sent once, whatever happens", async () => {
  const { store, calls } = failingFirst(new MemoryStore(), 1);
  const retried = retrying(store, { clock: instantClock([]), random: seededRandom(1) });
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    yield some;
  };
  await expect(retried.putStream("k", chunks())).rejects.toThrow(/answer lost/);
  expect(calls).toEqual(["putStream"]);
});

test("what is safe to repeat is repeated, with growing waits, a bounded number of times", async () => {
  for (const failures of [0, 1, 3, 4]) {
    const calls: Record<string, (store: ObjectStore) => Promise<unknown>> = {
      get: (store) => store.get("k"),
      getIfChanged: (store) => store.getIfChanged("k", "e" as never),
      head: (store) => store.head("k"),
      put: (store) => store.put("k", some),
      deleteMany: (store) => store.deleteMany(["k"]),
    };
    for (const [name, call] of Object.entries(calls)) {
      const waits: number[] = [];
      const inner = failingFirst(new MemoryStore(), failures);
      const options = { clock: instantClock(waits), random: { next: () => 0.5 } };
      const outcome = await call(retrying(inner.store, options)).then(
        () => "resolved",
        () => "rejected",
      );
      expect([name, outcome]).toEqual([name, failures < 4 ? "resolved" : "rejected"]);
      expect(inner.calls).toHaveLength(Math.min(failures + 1, 4));
      expect(waits).toEqual([25, 50, 100].slice(0, failures));
    }
  }
});

test("an error that a retry would not help is passed on at once", async () => {
  const { store, counters } = metered(new MemoryStore());
  const retried = retrying(store, { clock: instantClock([]), random: seededRandom(1) });
  await expect(retried.get("..")).rejects.toMatchObject({ code: "BRAINY_INVALID_ARGUMENT" });
  expect(counters.get.requests).toBe(1);
});

test("an abort ends the waits of a retry", async () => {
  const { store } = failingFirst(new MemoryStore(), 9);
  const stop = new AbortController();
  const clock = instantClock([]);
  const sleep: Clock["sleep"] = (ms, signal) => {
    stop.abort(new Error("enough"));
    return clock.sleep(ms, signal);
  };
  const retried = retrying(store, { clock: { ...clock, sleep }, random: seededRandom(1) });
  await expect(retried.get("k", { signal: stop.signal })).rejects.toThrow("enough");
});

test("a listing that fails half way goes on without giving an object twice", async () => {
  const inner = new MemoryStore({ pageSize: 3 });
  const expected = Array.from({ length: 20 }, (_, i) => `k/${String(i).padStart(2, "0")}`);
  for (const key of expected) await inner.put(key, some);
  const random = seededRandom(3);
  const broken = faulty(inner, { random, errorRate: 0.3 });
  const retried = retrying(broken, { clock: instantClock([]), random, attemptsMax: 100 });
  expect(await keysOf(retried)).toEqual(expected);
  expect(broken.faultCount).toBeGreaterThan(0);
});

test("[O5] a fault comes before the effect as well as after it, and can be switched off", async () => {
  const inner = new MemoryStore();
  const store = faulty(inner, { random: seededRandom(7), errorRate: 0.3 });
  const seen = { before: 0, after: 0, none: 0 };
  for (let i = 0; i < 200; i++) {
    const failed = await store.put(`k/${i}`, some).then(
      () => false,
      (error: unknown) => isBrainyError(error, "BRAINY_UNAVAILABLE"),
    );
    const happened = (await inner.get(`k/${i}`)) !== undefined;
    if (!failed) expect(happened).toBe(true);
    seen[!failed ? "none" : happened ? "after" : "before"]++;
  }
  expect(seen.before).toBeGreaterThan(30);
  expect(seen.after).toBeGreaterThan(20);
  expect(store.faultCount).toBe(seen.before + seen.after);
  store.isFaulty = false;
  for (let i = 0; i < 50; i++) await store.get(`k/${i}`);
  expect(store.faultCount).toBe(seen.before + seen.after);
});

test("faults of one kind of request leave the others alone, and calls can be slow", async () => {
  const waits: number[] = [];
  const options = { errorRate: 0, rates: { delete: 1 }, latencyMs: 100 };
  const clock = instantClock(waits);
  const store = faulty(new MemoryStore(), { ...options, clock, random: seededRandom(1) });
  await store.put("k", some);
  await expect(store.deleteMany(["k"])).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  expect(await keysOf(store)).toEqual(["k"]);
  expect(waits).toHaveLength(3);
  expect(Math.max(...waits)).toBeLessThanOrEqual(100);
});

test("[O4] what goes through a prefix stays below it", async () => {
  const segment = fc.stringMatching(/^[a-c][a-c.]{0,2}[a-c]$/);
  const keys = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(keys, { minLength: 1, maxLength: 8 }),
      keys,
      async (all, prefix) => {
        const inner = new MemoryStore();
        // Neighbours whose names begin alike: db2/ beside db/.
        for (const key of all) await inner.put(`${prefix}x/${key}`, some);
        const store = prefixed(inner, `${prefix}/`);
        for (const key of all) await store.put(key, some);
        expect(await keysOf(store)).toEqual(all.toSorted());
        await store.deleteMany(all);
        expect(await keysOf(inner)).toEqual(all.map((key) => `${prefix}x/${key}`).toSorted());
      },
    ),
    { numRuns: 50 },
  );
  for (const prefix of ["", "/", "db", "../", "a//"]) {
    expect(() => prefixed(new MemoryStore(), prefix)).toThrow();
  }
  await expect(prefixed(new MemoryStore(), "a/").get("../b/k")).rejects.toThrow(
    /begins with a dot/,
  );
});

test("requests and bytes are counted by kind", async () => {
  const { store, counters } = metered(new MemoryStore({ pageSize: 2 }));
  for (let i = 0; i < 4; i++) await store.put(`k/${i}`, some);
  await store.put("k/0", some, ABSENT).catch(() => undefined);
  const { etag } = (await store.get("k/0"))!;
  await store.get("k/0", { range: [0, 1] });
  await store.getIfChanged("k/0", etag);
  await store.head("k/0");
  await keysOf(store);
  await store.deleteMany(Array.from({ length: 1_001 }, (_, i) => `k/${i}`));
  expect(counters).toEqual({
    put: { requests: 5, errors: 1, bytesIn: 15, bytesOut: 0 },
    get: { requests: 3, errors: 0, bytesIn: 0, bytesOut: 4 },
    head: { requests: 1, errors: 0, bytesIn: 0, bytesOut: 0 },
    list: { requests: 2, errors: 0, bytesIn: 0, bytesOut: 0 },
    delete: { requests: 2, errors: 0, bytesIn: 0, bytesOut: 0 },
  });
});

// All layers at once are still a store.
objectStoreConformance({
  test: (name, run) => test(`layers on layers: ${name}`, run),
  open: async () => {
    const random = seededRandom(1);
    const broken = faulty(new MemoryStore(), { random, errorRate: 0 });
    return retrying(metered(prefixed(broken, "a/")).store, { clock: systemClock, random });
  },
});
