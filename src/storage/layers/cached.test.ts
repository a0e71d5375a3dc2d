import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BrainyError } from "../../base/errors.ts";
import { DiskCache, type DiskCacheOptions } from "../adapters/disk-cache.ts";
import { MemoryStore } from "../adapters/memory.ts";
import { objectStoreConformance } from "../conformance.ts";
import { assertBytes, patterned } from "../conformance/case.ts";
import type { GetOptions, ObjectStore } from "../object-store.ts";
import { cached, type CachedStore } from "./cached.ts";
import { metered, type RequestCounters } from "./metered.ts";

const BLOCK = 1_024;

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "brainy-cache-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const diskCache = (options: Partial<DiskCacheOptions> = {}): DiskCache =>
  new DiskCache({ dir, store: "a", blockBytes: BLOCK, bytesMax: 1_000 * BLOCK, ...options });

/** A store whose `get` is another one. */
function getting(inner: ObjectStore, get: ObjectStore["get"]): ObjectStore {
  return new Proxy(inner, {
    get: (target, name) => {
      const value: unknown = name === "get" ? get : Reflect.get(target, name);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

function gate(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

interface Opened {
  readonly store: CachedStore;
  readonly inner: ObjectStore;
  readonly counters: RequestCounters;
}

/** A cached store as a new process would open it, over a store that stays. */
function open(bucket: ObjectStore, options: Partial<DiskCacheOptions> = {}): Opened {
  const { store: inner, counters } = metered(bucket);
  const isImmutable = (key: string): boolean => key.endsWith(".seg");
  return { store: cached(inner, { cache: diskCache(options), isImmutable }), inner, counters };
}

// Everything is taken for immutable, and yet what is written by way of the layer shows at once.
objectStoreConformance({
  test,
  objectCount: 1_001,
  open: async () => {
    const folder = mkdtempSync(join(tmpdir(), "brainy-cache-conformance-"));
    const store = cached(new MemoryStore(), {
      cache: diskCache({ dir: folder }),
      isImmutable: () => true,
    });
    return {
      ...store,
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
});

test("[DC1] any sequence of reads gives the same bytes as the store, restarts included", async () => {
  const bytes = patterned(10 * BLOCK + 123);
  const bucket = new MemoryStore();
  await bucket.put("a.seg", bytes);
  const offset = fc.nat({ max: bytes.byteLength });
  const read = fc.oneof(
    { weight: 5, arbitrary: fc.tuple(offset, offset) },
    { weight: 1, arbitrary: fc.constantFrom("whole" as const, "restart" as const) },
  );
  const run = async (reads: readonly (readonly [number, number] | "whole" | "restart")[]) => {
    const folder = mkdtempSync(join(tmpdir(), "brainy-cache-"));
    let { store } = open(bucket, { dir: folder });
    for (const what of reads) {
      if (what === "restart") {
        await store.cache[Symbol.asyncDispose]();
        ({ store } = open(bucket, { dir: folder }));
        continue;
      }
      const range = what === "whole" ? undefined : ([...what].toSorted((a, b) => a - b) as never);
      const options: GetOptions = range === undefined ? {} : { range };
      const [found, again] = await Promise.all([
        store.get("a.seg", options),
        store.get("a.seg", options),
      ]);
      const expected = await bucket.get("a.seg", options);
      for (const one of [found, again]) {
        assertBytes(one?.bytes, expected!.bytes);
        expect(one?.bytesTotal).toBe(bytes.byteLength);
        expect(one?.etag).toBe(expected?.etag);
      }
    }
    await store.cache[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  };
  await fc.assert(fc.asyncProperty(fc.array(read, { maxLength: 12 }), run), { numRuns: 30 });
});

test("[DC2] what was read once is not asked for again, not even by a later run", async () => {
  const bucket = new MemoryStore();
  await bucket.put("a.seg", patterned(20 * BLOCK));
  const first = open(bucket);
  await first.store.get("a.seg", { range: [0, 20 * BLOCK] });
  expect(first.counters.get).toMatchObject({ requests: 1, bytesOut: 20 * BLOCK });
  await first.store[Symbol.asyncDispose]();
  const second = open(bucket);
  const found = await second.store.get("a.seg", { range: [700, 19 * BLOCK] });
  assertBytes(found?.bytes, patterned(20 * BLOCK).subarray(700, 19 * BLOCK));
  assertBytes((await second.store.get("a.seg"))?.bytes, patterned(20 * BLOCK));
  expect(second.counters.get.requests).toBe(0);
  // One of them was read to learn how large the object is, and was not read twice for that.
  expect(second.store.cache.counters).toMatchObject({ hits: 19 + 20, misses: 0, corrupt: 0 });
  await second.store[Symbol.asyncDispose]();
});

test("[DC3] whatever can change is asked for each time, and nothing of it is kept", async () => {
  const bucket = new MemoryStore();
  const { store, counters } = open(bucket);
  await bucket.put("config.json", patterned(10));
  for (let i = 0; i < 3; i++) await store.get("config.json");
  const { etag } = (await store.get("config.json"))!;
  expect(await store.getIfChanged("config.json", etag)).toBe("unchanged");
  await store.head("config.json");
  expect([counters.get.requests, counters.head.requests]).toEqual([5, 1]);
  expect(store.cache.counters).toMatchObject({ hits: 0, misses: 0 });
});

test("[DC4] however many want a block, one request brings it", async () => {
  const bucket = new MemoryStore();
  await bucket.put("a.seg", patterned(8 * BLOCK));
  const { store, counters } = open(bucket);
  const ranges = Array.from({ length: 50 }, (_, i) => [(i % 8) * 1_000, 8 * BLOCK] as const);
  await store.get("a.seg", { range: [8 * BLOCK - 1, 8 * BLOCK] });
  const all = await Promise.all(ranges.map((range) => store.get("a.seg", { range })));
  for (const [i, found] of all.entries()) {
    assertBytes(found?.bytes, patterned(8 * BLOCK).subarray(...ranges[i]!));
  }
  // The block that told the size, and the seven before it.
  expect(counters.get).toMatchObject({ requests: 2, bytesOut: 8 * BLOCK });
  await store[Symbol.asyncDispose]();
});

test("[DC4] an error of the store is everybody's, and is not remembered", async () => {
  const bucket = new MemoryStore();
  await bucket.put("a.seg", patterned(2 * BLOCK));
  const asked = gate();
  const answer = gate();
  let failures = 1;
  const { store } = open(
    getting(bucket, async (key, options) => {
      asked.resolve();
      await answer.promise;
      if (failures-- > 0) throw new BrainyError("BRAINY_UNAVAILABLE", "no answer");
      return bucket.get(key, options);
    }),
  );
  const first = store.get("a.seg");
  await asked.promise;
  const second = store.get("a.seg");
  answer.resolve();
  for (const call of [first, second]) await expect(call).rejects.toThrow("no answer");
  assertBytes((await store.get("a.seg"))?.bytes, patterned(2 * BLOCK));
  await store[Symbol.asyncDispose]();
});

test("a caller that gives up leaves the others their bytes", async () => {
  const bucket = new MemoryStore();
  await bucket.put("a.seg", patterned(2 * BLOCK));
  const { store, counters } = open(bucket);
  const stop = new AbortController();
  const given = store.get("a.seg", { signal: stop.signal });
  const kept = store.get("a.seg");
  stop.abort(new Error("enough"));
  await expect(given).rejects.toThrow("enough");
  assertBytes((await kept)?.bytes, patterned(2 * BLOCK));
  expect(counters.get.requests).toBe(1);
  await store[Symbol.asyncDispose]();
});

test("[DC5] a fresh read asks the store, and what was kept is kept no more", async () => {
  const bucket = new MemoryStore();
  await bucket.put("a.seg", patterned(4 * BLOCK));
  const { store, counters } = open(bucket);
  await store.get("a.seg");
  const fresh = await store.get("a.seg", { range: [10, 20], fresh: true });
  assertBytes(fresh?.bytes, patterned(4 * BLOCK).subarray(10, 20));
  expect(counters.get.requests).toBe(2);
  await store.get("a.seg", { range: [0, BLOCK] });
  expect(counters.get.requests).toBe(3);
  await store[Symbol.asyncDispose]();
});

test("[DC6] blocks of two objects of one name are never put together", async () => {
  const bucket = new MemoryStore();
  await bucket.put("a.seg", patterned(4 * BLOCK, 1));
  const before = open(bucket);
  await before.store.get("a.seg", { range: [0, BLOCK] });
  await before.store[Symbol.asyncDispose]();
  // Behind the layer's back, which nobody does to an object that never changes.
  await bucket.put("a.seg", patterned(4 * BLOCK, 2));
  const after = open(bucket);
  assertBytes(
    (await after.store.get("a.seg", { range: [0, 3 * BLOCK] }))?.bytes,
    patterned(4 * BLOCK, 2).subarray(0, 3 * BLOCK),
  );
  await after.store[Symbol.asyncDispose]();
});

test("[DC6] stores that share a folder do not share blocks, unless they are one", async () => {
  const [one, other] = [new MemoryStore(), new MemoryStore()];
  await one.put("a.seg", patterned(100, 1));
  await other.put("a.seg", patterned(100, 2));
  const first = open(one, { store: "one" });
  await first.store.get("a.seg");
  await first.store[Symbol.asyncDispose]();
  const second = open(other, { store: "other" });
  assertBytes((await second.store.get("a.seg"))?.bytes, patterned(100, 2));
  await second.store[Symbol.asyncDispose]();
});

test("what is missing is absent, also after blocks of it were kept", async () => {
  const bucket = new MemoryStore();
  const { store, counters } = open(bucket);
  expect(await store.get("a.seg")).toBeUndefined();
  await bucket.put("a.seg", patterned(4 * BLOCK));
  await store.get("a.seg", { range: [0, 10] });
  await bucket.deleteMany(["a.seg"]);
  expect(await store.get("a.seg", { range: [0, 3 * BLOCK] })).toBeUndefined();
  expect(counters.get.requests).toBe(3);
  await store[Symbol.asyncDispose]();
});

test("a prefetch asks for what is not kept, neighbours together, and for nothing twice", async () => {
  const bucket = new MemoryStore();
  await bucket.put("a.seg", patterned(20 * BLOCK));
  const { store, counters } = open(bucket);
  await store.get("a.seg", { range: [5 * BLOCK, 6 * BLOCK] });
  await store.prefetch("a.seg", [100, 20 * BLOCK]);
  // Blocks 0 to 4, 6 to 13, 14 to 19.
  expect(counters.get).toMatchObject({ requests: 1 + 3, bytesOut: 20 * BLOCK });
  await store.prefetch("a.seg", [0, 20 * BLOCK]);
  assertBytes((await store.get("a.seg"))?.bytes, patterned(20 * BLOCK));
  expect(counters.get.requests).toBe(4);
  await store.prefetch("config.json", [0, 10]);
  expect(counters.get.requests).toBe(4);
  await store[Symbol.asyncDispose]();
});

test("what was read while its object was written anew is not remembered", async () => {
  const bucket = new MemoryStore();
  await bucket.put("a.seg", patterned(2 * BLOCK, 1));
  const disk = diskCache();
  const state: { waits?: Promise<void> } = {};
  const looked = gate();
  const slow = new Proxy(disk, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "read") return value.bind(target) as unknown;
      return async (...given: Parameters<DiskCache["read"]>) => {
        const found = await disk.read(...given);
        looked.resolve();
        await state.waits;
        return found;
      };
    },
  });
  const store = cached(bucket, { cache: slow, isImmutable: () => true });
  await store.prefetch("a.seg", [0, 2 * BLOCK]);
  const late = gate();
  state.waits = late.promise;
  const before = store.get("a.seg", { range: [10, 20] });
  await looked.promise;
  await store.put("a.seg", patterned(2 * BLOCK, 2));
  late.resolve();
  await before;
  const after = await store.get("a.seg", { range: [10, 20] });
  assertBytes(after?.bytes, patterned(2 * BLOCK, 2).subarray(10, 20));
  await store[Symbol.asyncDispose]();
});
