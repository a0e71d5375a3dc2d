import { expect, test } from "vitest";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { seededRandom } from "../base/random.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import { DEFAULT_COMPACTION } from "./compaction-plan.ts";
import { DEFAULT_LIMITS } from "./database-limits.ts";
import { Database } from "./database.ts";
import { inlineExecutor } from "./executor-inline.ts";
import { listLog } from "./log-listing.ts";

const MINUTE = 60_000;

test("[W10] [ER2] writers that die after one record each are compacted by later ones, and the log stays short", async () => {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock });
  const sizes: number[] = [];
  let records = 0;
  for (let i = 0; i < 240; i++) {
    const random = seededRandom(i);
    const database = await Database.open({
      store,
      clock,
      random,
      executor: async () => inlineExecutor({ store, clock, random }),
      readOnly: false,
      wanted: {},
      compaction: { ...DEFAULT_COMPACTION, flushSlots: 32 },
      indexing: { async: true, batchIndexUpdates: true },
      limits: DEFAULT_LIMITS,
    });
    const drafts = [{ kind: "put" as const, id: `r${i}`, content: "{}", metadata: "{}" }];
    await database.write({ drafts, bytes: 10 });
    // And dies: nothing is closed, its lane has no seal.
    await database.settled();
    records = database.stats().records;
    sizes.push((await listLog(store)).objectCount);
    clock.advance(30 * MINUTE);
  }
  expect(records).toBe(240);
  // A day has 48 of them, each of which leaves two slots and a seal until a day after its flush.
  expect(Math.max(...sizes)).toBeLessThan(2 * 3 * 48);
  expect(sizes.at(-1)).toBeLessThan(1.1 * Math.max(...sizes.slice(0, 120)));
});
