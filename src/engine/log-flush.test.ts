import { expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { Brainy } from "../index.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";

/** A store in memory whose puts take a turn of the event loop, as those of all others do. */
function unhurriedStore(): ObjectStore {
  const store: ObjectStore = new MemoryStore();
  return new Proxy<ObjectStore>(store, {
    get(_, name: keyof ObjectStore) {
      if (name === "put") {
        return async (...args: Parameters<ObjectStore["put"]>) => {
          await systemClock.breathe();
          return store.put(...args);
        };
      }
      const value: unknown = store[name];
      return typeof value === "function" ? (value.bind(store) as unknown) : value;
    },
  });
}

test("flush and compact resolve while writes go on without a pause", async () => {
  await using brain = new Brainy({
    storage: { type: "store", store: unhurriedStore() },
    compaction: false,
  });
  const writesMax = 3_000;
  let writes = 0;
  const end = new AbortController();
  const write = async (id: string): Promise<void> => {
    while (!end.signal.aborted && writes < writesMax) {
      writes++;
      await brain.add([1, writes], {}, { id });
    }
  };
  await brain.add([1, 1], {}, { id: "first" });
  // Two that take turns: whenever a slot of one is written, one of the other waits.
  const first = write("a");
  while (brain.getMetrics().log.slotsWritten < 3) await systemClock.breathe();
  const writers = [first, write("b")];
  await brain.flush();
  await brain.compact();
  const writesSeen = writes;
  end.abort();
  await Promise.all(writers);
  expect(writesSeen).toBeLessThan(writesMax);
});
