import { describe, expect, test } from "vitest";
import { seededRandom } from "../../base/random.ts";
import { systemClock } from "../../base/clock.ts";
import { objectStoreConformance } from "../conformance.ts";
import { faulty } from "../layers/faulty.ts";
import { metered } from "../layers/metered.ts";
import { prefixed } from "../layers/prefixed.ts";
import { retrying } from "../layers/retrying.ts";
import { MemoryStore } from "./memory.ts";

describe("[O1] memory", () => {
  objectStoreConformance({
    test,
    open: async () => new MemoryStore(),
    reopen: async () => new MemoryStore(),
  });
});

// A layer is an ObjectStore too, so it answers to the same suite as an adapter.
describe("prefixed over memory", () => {
  objectStoreConformance({ test, open: async () => prefixed(new MemoryStore(), "tenant-1/x/") });
});

describe("retrying over memory", () => {
  const options = { clock: systemClock, random: seededRandom(1) };
  objectStoreConformance({ test, open: async () => retrying(new MemoryStore(), options) });
});

describe("metered over memory", () => {
  objectStoreConformance({ test, open: async () => metered(new MemoryStore()).store });
});

describe("faulty over memory, at rest", () => {
  const options = { random: seededRandom(1), errorRate: 0 };
  objectStoreConformance({ test, open: async () => faulty(new MemoryStore(), options) });
});

test("the page size of a listing is the one asked for", async () => {
  const store = new MemoryStore({ pageSize: 2 });
  for (const key of ["a", "b", "c/1", "c/2", "d/1"]) await store.put(key, new Uint8Array(1));
  const sizes: number[] = [];
  for await (const { objects, prefixes } of store.list({ delimiter: "/" })) {
    sizes.push(objects.length + prefixes.length);
  }
  expect(sizes).toEqual([2, 2]);
});

test("times come from the clock given", async () => {
  const store = new MemoryStore({ clock: { ...systemClock, nowMs: () => 42 } });
  expect((await store.put("k", new Uint8Array(1))).storeMs).toBe(42);
  expect((await store.head("k"))?.modifiedMs).toBe(42);
});
