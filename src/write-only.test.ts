import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { FakeClock } from "../test/support/fake-clock.ts";
import { ManualClock } from "../test/support/manual-clock.ts";
import { scripted } from "../test/support/scripted-store.ts";
import { Brainy } from "./brainy.ts";
import { MemoryStore } from "./storage/adapters/memory.ts";
import type { BrainyOptions, ReadFreshness } from "./types.ts";

function open(store: MemoryStore, options: BrainyOptions = {}): Brainy {
  const storage = { type: "store", store: scripted(store) } as const;
  const brain = new Brainy({ storage, pollInterval: 0, ...options });
  onTestFinished(() => brain.close());
  return brain;
}

test("a write-only instance refuses whatever needs an index, and says what does not", async () => {
  const brain = open(new MemoryStore(), { writeOnly: true });
  await brain.add([1, 0], {}, { id: "a" });
  for (const read of [
    () => brain.search([1, 0]),
    () => brain.count(),
    () => brain.list(),
    () => brain.exportAll(),
    () => brain.delete({ filter: {} }),
  ]) {
    await expect(read()).rejects.toMatchObject({
      code: "BRAINY_UNSUPPORTED",
      message: expect.stringMatching(/write-only.*reader or a hybrid/),
    });
  }
  expect(brain.getHealthStatus().role).toBe("writer");
});

test("what a write-only instance adds, changes and deletes is what others see", async () => {
  const store = new MemoryStore();
  const writer = open(store, { mode: "write-only" });
  await writer.addMany(["a", "b", "c"].map((id, i) => ({ id, vector: [1, i], metadata: { i } })));
  await writer.update("b", { metadata: { more: true } });
  expect(await writer.delete(["c", "nobody"])).toBe(2);
  await expect(writer.update("c", { metadata: {} })).rejects.toMatchObject({
    code: "BRAINY_NOT_FOUND",
  });
  expect(await writer.has("a")).toBe(true);
  expect(await writer.get("c")).toBeUndefined();
  const reader = open(store, { readOnly: true });
  expect(await reader.get("b")).toEqual(await writer.get("b"));
  expect(await reader.count()).toBe(2);
});

test("[R12] an instance without an index reads one slot of each lane, and no segment", async () => {
  const store = new MemoryStore();
  const first = open(store, { indexing: { batchIndexUpdates: false, async: false } });
  for (let i = 0; i < 5; i++) await first.add([1, i], {}, { id: `x${i}` });
  await first.close();
  const second = open(store, { compaction: false });
  for (let i = 0; i < 5; i++) await second.add([1, i], {}, { id: `y${i}` });
  const watched = scripted(store);
  const brain = open(store, { storage: { type: "store", store: watched }, writeOnly: true });
  await brain.add([1, 9], {}, { id: "z" });
  const gets = watched.requests.filter((request) => request.startsWith("get "));
  expect(gets.filter((request) => request.includes("vectors/"))).toEqual([]);
  expect(gets.filter((request) => request.includes("/wal/")).length).toBeLessThanOrEqual(3);
});

test("[R12] an instance without an index stamps above all that was written before it", async () => {
  const time = new ManualClock();
  const store = new MemoryStore({ clock: time });
  const fast = open(store, { clock: new FakeClock(time, 4_000), compaction: false });
  await fast.add([1, 0], { by: "fast" }, { id: "a" });
  const writer = open(store, { clock: new FakeClock(time), writeOnly: true });
  await writer.add([0, 1], { by: "writer" }, { id: "a" });
  expect((await writer.get("a"))?.metadata).toEqual({ by: "writer" });
  const reader = open(store, { readOnly: true });
  expect((await reader.get("a"))?.metadata).toEqual({ by: "writer" });
});

test("[R12] an instance without an index stamps above what it has read", async () => {
  const time = new ManualClock();
  const store = new MemoryStore({ clock: time });
  const writer = open(store, { clock: new FakeClock(time), writeOnly: true });
  await writer.add([0, 1], {}, { id: "b" });
  const fast = open(store, { clock: new FakeClock(time, 4_000), compaction: false });
  await fast.add([1, 0], { by: "fast" }, { id: "a" });
  expect((await writer.get("a"))?.metadata).toEqual({ by: "fast" });
  await writer.update("a", { metadata: { by: "writer" } });
  expect((await fast.get("a", { consistency: "strong" }))?.metadata).toEqual({ by: "writer" });
  await fast.add([1, 0], { by: "fast" }, { id: "a" });
  // Now it is in a segment, and the log says nothing of it.
  await fast.compact();
  expect((await writer.get("a"))?.metadata).toEqual({ by: "fast" });
  await writer.delete("a");
  expect(await fast.get("a", { consistency: "strong" })).toBeUndefined();
});

type Step =
  | { readonly kind: "add" | "update" | "delete"; readonly id: string }
  | { readonly kind: "compact" };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("add", "add", "update", "delete"),
    id: fc.constantFrom("a", "b", "c", "d"),
  }) as fc.Arbitrary<Step>,
  fc.constant({ kind: "compact" }),
);

test("[R13] a record that is read from the store by its id is the one that an index shows", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const store = new MemoryStore();
      const hybrid = open(store, { compaction: false });
      const writer = open(store, { writeOnly: true, compaction: false });
      for (const [i, one] of steps.entries()) {
        const brain = i % 2 === 0 ? hybrid : writer;
        if (one.kind === "compact") await brain.compact();
        else if (one.kind === "add") {
          await brain.add(
            `text ${i}`,
            { i },
            { id: one.id, type: i % 3 === 0 ? "odd" : undefined },
          );
        } else if (one.kind === "delete") await brain.delete(one.id);
        else if (await brain.has(one.id, { consistency: "strong" })) {
          await brain.update(one.id, { metadata: { [`k${i}`]: i } });
        }
      }
      const ids = ["a", "b", "c", "d", "nobody"];
      const seen = await hybrid.getMany(ids, { consistency: "strong" });
      expect(await writer.getMany(ids)).toEqual(seen);
      await Promise.all([hybrid.close(), writer.close()]);
    }),
    { numRuns: 40 },
  );
});

test("a write-only instance tells which manifest it read, not the one that it last heard of", async () => {
  const store = new MemoryStore();
  const writer = open(store, { writeOnly: true, compaction: false });
  const told: ReadFreshness[] = [];
  const onFreshness = (freshness: ReadFreshness): void => void told.push(freshness);
  await writer.get("a", { onFreshness });
  await writer.add([1, 0], {}, { id: "a" });
  const hybrid = open(store);
  await hybrid.compact();
  await writer.get("a", { onFreshness });
  const { manifest } = hybrid.getMetrics().index;
  expect(manifest).toBeGreaterThan(1);
  expect(told.map((one) => [one.stalenessMs, one.manifest])).toEqual([
    [0, 0],
    [0, manifest],
  ]);
});
