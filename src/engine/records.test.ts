import { expect, test } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { seededRandom } from "../base/random.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import { DEFAULT_LIMITS } from "./database-limits.ts";
import { Database } from "./database.ts";
import { inlineExecutor } from "./executor-inline.ts";
import { findRecord, readRecords } from "./records.ts";
import { searchSnapshot } from "./search.ts";

async function open(): Promise<{ database: Database; clock: ManualClock }> {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  const random = seededRandom(1);
  const database = await Database.open({
    store,
    clock,
    random,
    executor: () => Promise.resolve(inlineExecutor({ store, clock, random })),
    readOnly: false,
    wanted: { dimensions: 2, metric: "euclidean" },
    compaction: false,
    indexing: { async: true, batchIndexUpdates: true },
    limits: DEFAULT_LIMITS,
  });
  return { database, clock };
}

test("new content without a vector takes the old vector away, wherever that is stored", async () => {
  const { database, clock } = await open();
  const vector = Float32Array.from([1, 2]);
  const put = { kind: "put", id: "a", vector, content: '{"text":"old"}', metadata: "{}" } as const;
  await database.write({ drafts: [put], bytes: 100 });
  await database.compact({ force: "flush" });
  const patch = { kind: "patch", id: "a", content: '{"text":"new"}' } as const;
  await database.write({ drafts: [patch], bytes: 100 });
  for (const isFlushed of [false, true]) {
    if (isFlushed) await database.compact({ force: "flush" });
    const { view } = database;
    const found = findRecord(view!, "a", clock.nowMs())!;
    const [record] = await readRecords([found], { content: true, vector: true });
    expect(record).toMatchObject({ content: '{"text":"new"}', vector: undefined });
    const snapshot = await view!.snapshot();
    const hits = await searchSnapshot({
      snapshot,
      metric: "euclidean",
      query: vector,
      k: 1,
      clock,
    });
    expect(hits).toEqual([]);
  }
  await database.close();
});

test("[R3] of equally near records those with the lowest ids are found, wherever they lie", async () => {
  const { database, clock } = await open();
  const vector = Float32Array.from([1, 2]);
  const query = Float32Array.from([0, 0]);
  // Segments and the tail keep records in the order in which they came.
  for (const ids of [["e", "d", "f"], ["c", "b"], ["a"]]) {
    for (const id of ids) {
      const put = { kind: "put", id, vector, content: "", metadata: "{}" } as const;
      await database.write({ drafts: [put], bytes: 100 });
    }
    const found = async (): Promise<readonly string[]> => {
      const snapshot = await database.view!.snapshot();
      const options = { snapshot, metric: "euclidean", query, k: 2, clock } as const;
      return (await searchSnapshot(options)).map(({ id }) => id);
    };
    const nearest = { e: ["d", "e"], c: ["b", "c"], a: ["a", "b"] }[ids[0]!];
    expect(await found()).toEqual(nearest);
    await database.compact({ force: "flush" });
    expect(await found()).toEqual(nearest);
    await database.compact({ force: "compact" });
    expect(await found()).toEqual(nearest);
  }
  await database.close();
});
