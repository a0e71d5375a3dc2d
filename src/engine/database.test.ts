import { expect, test } from "vitest";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { scripted } from "../../test/support/scripted-store.ts";
import { BrainyError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { DEFAULT_COMPACTION } from "./compaction-plan.ts";
import { DEFAULT_LIMITS } from "./database-limits.ts";
import type { DatabaseOptions } from "./database-options.ts";
import { Database } from "./database.ts";
import { inlineExecutor } from "./executor-inline.ts";
import { countRecords, findRecord, readRecords, scanRecords } from "./records.ts";

let seed = 1;

function open(
  clock: FakeClock,
  store: ObjectStore,
  more: Partial<DatabaseOptions> = {},
): Promise<Database> {
  const random = seededRandom(seed++);
  return Database.open({
    store,
    clock,
    random,
    executor: async () => inlineExecutor({ store, clock, random }),
    readOnly: false,
    wanted: {},
    compaction: false,
    indexing: { async: true, batchIndexUpdates: true },
    limits: DEFAULT_LIMITS,
    ...more,
  });
}

const put = (id: string, text = "") => ({
  drafts: [{ kind: "put" as const, id, content: `{"text":"${id}${text}"}`, metadata: "{}" }],
  bytes: 64 + text.length,
});

const VECTOR = Float32Array.of(1, 2);
/** Enough that a segment's texts are not all read when it is opened. */
const LONG = ".".repeat(50_000);

test("[W10] above 10,000 slots writes are refused, naming who should compact; then they go on", async () => {
  const clock = new FakeClock();
  const database = await open(clock, new MemoryStore({ clock }));
  for (let i = 0; i < 10_000; i++) await database.write(put(`r${i % 100}`));
  expect(database.stats().slots).toBe(10_001);
  const refused = database.write(put("one more"));
  await expect(refused).rejects.toMatchObject({ code: "BRAINY_LIMIT" });
  await expect(refused).rejects.toThrow("call compact()");
  await database.compact();
  expect(database.stats().slots).toBe(0);
  await database.write(put("one more"));
  expect(database.stats().records).toBe(101);
}, 60_000);

test("[W10] a crowd of writers that live for one record each is compacted by those who close", async () => {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock });
  const compaction = { ...DEFAULT_COMPACTION, flushSlots: 1_000_000 };
  const settled: number[] = [];
  for (let i = 0; i < 350; i++) {
    const database = await open(clock, store, { compaction });
    await database.write(put(`r${i}`));
    await database.close();
    settled.push(database.stats().slots);
    clock.advance(1_000);
  }
  // Three slots for each: open record, record, seal.
  expect(Math.max(...settled)).toBeLessThan(1_010);
  const reader = await open(clock, store);
  expect(reader.stats()).toMatchObject({ records: 350, junkOperations: 0 });
  expect(reader.stats().slots).toBeLessThan(1_000);
}, 60_000);

test("[W10] a tail that outgrew its bound is waited for, and for half a minute only", async () => {
  const clock = new FakeClock();
  const inner = new MemoryStore({ clock });
  const store = scripted(inner);
  const limits = { ...DEFAULT_LIMITS, tailBytesMax: 120_000 };
  const database = await open(clock, store, { limits });
  for (let i = 0; i < 3; i++) await database.write(put(`r${i}`, LONG));
  const startedMs = clock.monotonicMs();
  await expect(database.write(put("late"))).rejects.toThrow(/limits.tailBytesMax.*call compact/);
  expect(clock.monotonicMs() - startedMs).toBeGreaterThanOrEqual(30_000);
  expect(clock.monotonicMs() - startedMs).toBeLessThan(32_000);
  const other = await open(clock, inner);
  let looks = 0;
  store.script = {
    before: async (request) => {
      if (request === "list _brainy/wal/" && ++looks === 5) await other.compact();
    },
  };
  await database.write(put("later"));
  expect(looks).toBeLessThan(10);
  expect(database.stats().records).toBe(4);
});

test("[R10] a read whose segment is collected under it is done again, on what replaced it", async () => {
  const clock = new FakeClock();
  const inner = new MemoryStore({ clock });
  const writer = await open(clock, inner, { compaction: DEFAULT_COMPACTION });
  for (let i = 0; i < 20; i++) await writer.write(put(`r${i}`, LONG));
  await writer.compact({ force: "flush" });
  const store = scripted(inner);
  const reader = await open(clock, store, { readOnly: true });
  let reads = 0;
  const { segments } = reader.view!.manifest;
  for (let i = 0; i < 12; i++) {
    await writer.write(put(`late${i}`));
    await writer.compact();
    clock.advance(3 * 60_000);
  }
  await writer.write(put("last"));
  await writer.compact();
  expect(await inner.head(segments[0]!.key)).toBeUndefined();
  const texts = await reader.read({ level: "eventual" }, async (view) => {
    reads++;
    const found = findRecord(view, "r7", clock.nowMs())!;
    return (await readRecords([found], { content: true, vector: false }))[0]!.content;
  });
  expect([texts, reads]).toEqual([`{"text":"r7${LONG}"}`, 2]);
  const ids: string[] = [];
  await reader.read({ level: "eventual" }, async (view) => {
    for await (const { id } of scanRecords(view.fullSnapshot(), { clock, content: true })) {
      ids.push(id);
    }
  });
  expect(ids).toHaveLength(33);
});

test("[R10] what is not found, although nothing was replaced, is looked for once", async () => {
  const clock = new FakeClock();
  const store = scripted(new MemoryStore({ clock }));
  const database = await open(clock, store);
  await database.write({ drafts: [{ ...put("a").drafts[0]!, vector: VECTOR }], bytes: 64 });
  store.requests.splice(0);
  let reads = 0;
  const reading = database.read({ level: "eventual" }, async () => {
    reads++;
    throw new BrainyError("BRAINY_NOT_FOUND", "no such record");
  });
  await expect(reading).rejects.toThrow("no such record");
  expect([reads, store.requests.length]).toEqual([1, 3]);
});

test("[R10] a segment that is gone although the newest manifest names it is damage", async () => {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock });
  const writer = await open(clock, store);
  await writer.write(put("a"));
  await writer.compact();
  const { key } = writer.view!.manifest.segments[0]!;
  await store.deleteMany([key]);
  const opening = open(clock, store);
  await expect(opening).rejects.toMatchObject({ code: "BRAINY_CORRUPT" });
  await expect(opening).rejects.toThrow(key);
});

test("[R6] bounded reads look again only when what is here is too old", async () => {
  const clock = new FakeClock();
  const inner = new MemoryStore({ clock });
  const writer = await open(clock, inner);
  await writer.write(put("a"));
  const store = scripted(inner);
  const reader = await open(clock, store, { readOnly: true, wanted: { dimensions: 3 } });
  await writer.write(put("b"));
  const count = (maxStalenessMs: number): Promise<number> =>
    reader.read({ level: "bounded", maxStalenessMs }, (view) =>
      countRecords(view.fullSnapshot(), { clock }),
    );
  clock.advance(1_000);
  expect(await count(1_000)).toBe(1);
  clock.advance(1);
  expect(await count(1_000)).toBe(2);
});

test("[R10] a read-only instance writes nothing, whatever it is asked", async () => {
  const clock = new FakeClock();
  const inner = new MemoryStore({ clock });
  const writer = await open(clock, inner);
  await writer.write(put("a"));
  const store = scripted(inner);
  const reader = await open(clock, store, { readOnly: true, compaction: DEFAULT_COMPACTION });
  for (const attempt of [
    () => reader.write(put("b")),
    () => reader.compact(),
    () => reader.checkpoint("c"),
  ]) {
    await expect(attempt()).rejects.toMatchObject({ code: "BRAINY_UNSUPPORTED" });
  }
  await reader.close();
  expect(store.requests.filter((request) => /^(put|delete)/.test(request))).toEqual([]);
});
