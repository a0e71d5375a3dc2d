import { expect, test } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { seededRandom } from "../base/random.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import { DEFAULT_LIMITS } from "./database-limits.ts";
import { Database } from "./database.ts";
import { inlineExecutor } from "./executor-inline.ts";
import { findRecord } from "./records.ts";

const clock = new ManualClock();

function open(store: MemoryStore, checkpoint?: string): Promise<Database> {
  const random = seededRandom(checkpoint === undefined ? 1 : 2);
  return Database.open({
    store,
    clock,
    random,
    executor: () => Promise.resolve(inlineExecutor({ store, clock, random })),
    readOnly: checkpoint !== undefined,
    wanted: { dimensions: 2 },
    checkpoint,
    compaction: false,
    indexing: { async: true, batchIndexUpdates: true },
    limits: DEFAULT_LIMITS,
  });
}

test("a database that nothing was written to can be pinned, and goes on from there", async () => {
  const store = new MemoryStore({ clock });
  const database = await open(store);
  await database.checkpoint("empty");
  await database.write({
    drafts: [{ kind: "put", id: "a", content: "", metadata: "{}" }],
    bytes: 9,
  });
  await database.compact();
  const has = (from: Database): boolean => findRecord(from.view!, "a", clock.nowMs()) !== undefined;
  expect(has(database)).toBe(true);
  const pinned = await open(store, "empty");
  expect(has(pinned)).toBe(false);
  const later = await open(store);
  expect(has(later)).toBe(true);
});
