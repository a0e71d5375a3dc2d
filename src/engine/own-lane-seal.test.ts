import { expect, test } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { seededRandom } from "../base/random.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import { DEFAULT_LIMITS } from "./database-limits.ts";
import { Database } from "./database.ts";
import { inlineExecutor } from "./executor-inline.ts";
import { LANE_IDLE_MS } from "./lane-ledger.ts";
import { findRecord } from "./records.ts";

const MINUTE = 60_000;

test("[W3] a process that has sealed its own idle lane does not go on in it", async () => {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  let seed = 0;
  const open = (): Promise<Database> => {
    const random = seededRandom(++seed);
    return Database.open({
      store,
      clock,
      random,
      executor: () => Promise.resolve(inlineExecutor({ store, clock, random })),
      readOnly: false,
      wanted: { dimensions: 2 },
      compaction: false,
      indexing: { async: true, batchIndexUpdates: true },
      limits: DEFAULT_LIMITS,
    });
  };
  const write = async (database: Database, id: string): Promise<void> => {
    await database.write({ drafts: [{ kind: "put", id, content: "", metadata: "{}" }], bytes: 9 });
  };
  const idle = await open();
  await write(idle, "before");
  clock.advance(LANE_IDLE_MS);
  await idle.compact();
  // Enough manifests of somebody else that everything collectable is collected.
  const busy = await open();
  for (let i = 0; i < 15; i++) {
    await write(busy, `busy${i}`);
    await busy.compact();
    clock.advance(3 * MINUTE);
  }
  await write(idle, "after");
  const later = await open();
  for (const id of ["before", "after", "busy14"]) {
    expect(findRecord(later.view!, id, clock.nowMs())?.record.id).toBe(id);
  }
});
