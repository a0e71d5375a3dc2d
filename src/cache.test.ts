import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Brainy } from "./index.ts";
import { MemoryStore } from "./storage/adapters/memory.ts";
import { metered } from "./storage/layers/metered.ts";
import type { ObjectStore, StoredObject } from "./storage/object-store.ts";
import type { BrainyOptions } from "./types.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "brainy-near-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const vector = (i: number): number[] => Array.from({ length: 8 }, (_, d) => Math.sin(i * 8 + d));
const text = (i: number): string => `text ${i} ${"x".repeat(100)}`;

/** A compacted database of 500 records, some of them deleted in a vector of its own. */
async function build(store: ObjectStore): Promise<void> {
  await using brain = new Brainy({ storage: { type: "store", store }, compaction: false });
  const items = Array.from({ length: 500 }, (_, i) => ({
    id: `r${i}`,
    vector: vector(i),
    text: text(i),
    metadata: { n: i },
  }));
  await brain.addMany(items);
  await brain.compact();
}

/** Which segments were asked for, and how many bytes of them came. */
function watched(inner: ObjectStore): {
  readonly store: ObjectStore;
  readonly seen: { gets: number; bytes: number };
} {
  const seen = { gets: 0, bytes: 0 };
  const store = changed(inner, (key, found) => {
    if (!key.endsWith(".seg")) return found;
    seen.gets++;
    seen.bytes += found.bytes.byteLength;
    return found;
  });
  return { store, seen };
}

function changed(
  inner: ObjectStore,
  change: (key: string, found: StoredObject) => StoredObject,
): ObjectStore {
  const get: ObjectStore["get"] = async (key, options) => {
    const found = await inner.get(key, options);
    return found && change(key, found);
  };
  return new Proxy(inner, {
    get: (target, name) => {
      const value: unknown = name === "get" ? get : Reflect.get(target, name);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

const reader = (store: ObjectStore, cache: BrainyOptions["cache"]): Brainy =>
  new Brainy({ storage: { type: "store", store }, readOnly: true, pollInterval: 0, cache });

async function ask(brain: Brainy): Promise<string[]> {
  const hits = await brain.search(vector(7), 3);
  expect(hits[0]).toMatchObject({ id: "r7", text: text(7), metadata: { n: 7 } });
  return hits.map(({ id }) => id);
}

test("[DC2] a reader that starts again reads nothing of a segment from the store", async () => {
  const bucket = new MemoryStore();
  await build(bucket);
  const { store, seen } = watched(bucket);
  const first = reader(store, { dir });
  const expected = await ask(first);
  await first.close();
  expect(seen.bytes).toBeGreaterThan(0);
  seen.bytes = seen.gets = 0;
  await using second = reader(store, { dir });
  expect(await ask(second)).toEqual(expected);
  expect(seen).toEqual({ gets: 0, bytes: 0 });
  const { cache } = second.getMetrics();
  expect(cache).toMatchObject({ misses: 0, corrupt: 0 });
  expect(cache!.hits).toBeGreaterThan(0);
});

test("[DC7] damage in the folder is never an answer", async () => {
  const bucket = new MemoryStore();
  await build(bucket);
  const first = reader(bucket, { dir });
  const expected = await ask(first);
  await first.close();
  const files = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  expect(files.length).toBeGreaterThan(0);
  for (const path of files) {
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(path, bytes);
  }
  await using brain = reader(bucket, { dir });
  expect(await ask(brain)).toEqual(expected);
  expect(brain.getMetrics().cache!.corrupt).toBe(files.length);
});

test("[DC5] a block that was damaged on its way is asked for again, and does not stay", async () => {
  const bucket = new MemoryStore();
  await build(bucket);
  let damages = 1;
  const store = changed(bucket, (key, found) => {
    if (!key.endsWith(".seg") || damages-- <= 0) return found;
    const bytes = found.bytes.slice();
    bytes[bytes.length >> 1]! ^= 1;
    return { ...found, bytes };
  });
  const expected = await ask(reader(bucket, undefined));
  for (let run = 0; run < 2; run++) {
    const brain = reader(store, { dir });
    expect(await ask(brain)).toEqual(expected);
    await brain.close();
  }
  expect(damages).toBeLessThanOrEqual(0);
});

test("[DC3] what others wrote is seen through the cache as without it", async () => {
  const bucket = new MemoryStore();
  await build(bucket);
  await using brain = reader(bucket, { dir });
  await ask(brain);
  await using writer = new Brainy({ storage: { type: "store", store: bucket } });
  await writer.delete("r7");
  await writer.add(vector(900), {}, { id: "new" });
  await writer.compact();
  expect((await brain.search(vector(7), 1, { consistency: "strong" }))[0]?.id).not.toBe("r7");
  expect((await brain.search(vector(900), 1))[0]?.id).toBe("new");
  expect(await brain.get("r7")).toBeUndefined();
});

test("[DC11] segments that are replaced leave the disk of who adopts the new ones", async () => {
  const bucket = new MemoryStore();
  await build(bucket);
  await using brain = reader(bucket, { dir });
  await ask(brain);
  await using writer = new Brainy({ storage: { type: "store", store: bucket } });
  await writer.delete("r7");
  await writer.addMany(Array.from({ length: 500 }, (_, i) => ({ vector: vector(500 + i) })));
  await writer.compact();
  await brain.search(vector(8), 1, { consistency: "strong" });
  await brain.close();
  const kept = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)).toString("latin1"));
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.some((file) => file.includes(text(7)))).toBe(false);
});

test("[DC2] what a strategy fetches ahead, nobody waits for later", async () => {
  const bucket = new MemoryStore();
  await build(bucket);
  const gets = async (cache: BrainyOptions["cache"]): Promise<number[]> => {
    const { store, counters } = metered(bucket);
    await using brain = reader(store, cache);
    const prefetched = new Promise<unknown>((resolve) => brain.on("prefetched", resolve));
    await brain.init();
    if (cache !== undefined) await prefetched;
    const counts = [counters.get.requests];
    await brain.search(vector(7), 3, { include: [] });
    counts.push(counters.get.requests);
    await brain.search(vector(7), 3);
    counts.push(counters.get.requests);
    return counts;
  };
  const steps = ([opened, searched, read]: number[]): boolean[] => [
    searched! > opened!,
    read! > searched!,
  ];
  // This database is small: one block holds it, so memory is where strategies differ.
  expect(steps(await gets(undefined))).toEqual([true, true]);
  expect(steps(await gets({ prefetchStrategy: "moderate" }))).toEqual([false, true]);
  const inMemory = { prefetchStrategy: "aggressive", hotCacheMaxSize: 1_000 } as const;
  expect(steps(await gets(inMemory))).toEqual([false, false]);
  const ofReaders = { readOnlyMode: { prefetchStrategy: "aggressive" }, dir } as const;
  expect(steps(await gets(ofReaders))).toEqual([false, false]);
});

test("contents that were read stay in memory, and the hit rate says so", async () => {
  const bucket = new MemoryStore();
  await build(bucket);
  const { store, counters } = metered(bucket);
  await using brain = reader(store, { hotCacheMaxSize: 100 });
  const include = ["text"] as const;
  await brain.get("r1", { include });
  const { requests } = counters.get;
  for (let i = 0; i < 3; i++) expect((await brain.get("r1", { include }))?.text).toBe(text(1));
  expect(counters.get.requests).toBe(requests);
  expect(brain.getMetrics().recordCache).toMatchObject({ records: 1, hits: 3, misses: 1 });
  expect(brain.getHealthStatus().metrics.cacheHitRate).toBe(0.75);
  for await (const record of brain.export()) expect(record.text).toBeDefined();
  // An export passes by: it would push out what is in use.
  expect(brain.getMetrics().recordCache).toMatchObject({ records: 1, hits: 3, misses: 1 });
});

test("a folder needs no cache of its own, and is told so", async () => {
  const warnings: string[] = [];
  const logging = { logger: { info: () => {}, warn: (message: string) => warnings.push(message) } };
  await using brain = new Brainy({ storage: join(dir, "data"), cache: { dir }, logging });
  await brain.add([1, 2]);
  expect(warnings).toEqual([expect.stringContaining("options.cache")]);
  expect(brain.getMetrics().cache).toBeUndefined();
});

test("sizes, aliases and times are what they say; what contradicts itself is refused", async () => {
  const { resolveCache } = await import("./cache-options.ts");
  expect(
    resolveCache({ caching: { hotCacheSize: "2GB", warmCacheSize: "8GB", ttl: 3600 } }),
  ).toMatchObject({
    disk: { dir: undefined, bytesMax: 8 * 2 ** 30, unusedMsMax: 3_600_000 },
    records: { bytesMax: 2 * 2 ** 30 },
  });
  expect(
    resolveCache({
      cache: {
        hotCacheMaxSize: 50_000,
        hotCacheEvictionThreshold: 0.9,
        warmCacheTTL: 3_600_000,
        readOnlyMode: { prefetchStrategy: "aggressive" },
      },
    }),
  ).toMatchObject({
    disk: { unusedMsMax: 3_600_000 },
    records: { recordsMax: 50_000, keptShare: 0.9 },
    prefetch: "none",
    prefetchReadOnly: "aggressive",
  });
  expect(resolveCache({}).disk).toBeUndefined();
  expect(resolveCache({ cache: { maxBytes: "1.5 GiB" } }).disk?.bytesMax).toBe(1.5 * 2 ** 30);
  const refused: readonly [BrainyOptions, RegExp, string?][] = [
    [{ cache: {}, caching: {} }, /pass one/],
    [{ cache: { maxBytes: "1GB", warmCacheSize: "1GB" } }, /pass one/],
    [{ caching: { ttl: 1, warmCacheTTL: 1 } }, /pass one/],
    [{ cache: { ttl: 1 } as never }, /ttl/],
    [{ cache: { maxBytes: "lots" } }, /maxBytes/],
    [{ cache: { maxBytes: 1_000 } }, /maxBytes/],
    [{ cache: { warmCacheTTL: 0 } }, /warmCacheTTL/],
    [{ cache: { hotCacheEvictionThreshold: 0 } }, /Threshold/],
    [{ cache: { hotCacheMaxSize: -1 } }, /hotCacheMaxSize/],
    [{ cache: { dir: "" } }, /dir/],
    [{ cache: { prefetchStrategy: "some" as never } }, /prefetchStrategy/],
    [{ cache: { prefechStrategy: "none" } as never }, /did you mean "prefetchStrategy"/],
    [{ cache: { batchSize: 10 }, batching: { size: 10 } }, /batchSize/],
    [{ cache: { bloomFilters: true } as never }, /bloomFilters/, "BRAINY_UNSUPPORTED"],
    [{ cache: { autoTune: true as never } }, /autoTune/, "BRAINY_UNSUPPORTED"],
    [{ cache: "elasticache://host" as never }, /elasticache/, "BRAINY_UNSUPPORTED"],
  ];
  for (const [options, message, code = "BRAINY_INVALID_ARGUMENT"] of refused) {
    const make = (): Brainy => new Brainy(options);
    expect(make, JSON.stringify(options)).toThrow(message);
    expect(make).toThrow(expect.objectContaining({ code }));
  }
});
