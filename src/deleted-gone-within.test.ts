import { expect, test } from "vitest";
import { VirtualTime } from "../test/support/virtual-time.ts";
import { seededRandom } from "./base/random.ts";
import { Brainy } from "./brainy.ts";
import { MemoryStore } from "./storage/adapters/memory.ts";
import { metered } from "./storage/layers/metered.ts";

const HOUR = 3_600_000;

async function isAnywhere(store: MemoryStore, text: string): Promise<boolean> {
  for await (const { objects } of store.list()) {
    for (const { key } of objects) {
      const object = await store.get(key);
      if (Buffer.from(object!.bytes).toString("latin1").includes(text)) return true;
    }
  }
  return false;
}

test("[ER1] an instance that nobody asks anything erases what was deleted, in time and cheaply", async () => {
  const time = new VirtualTime();
  const clock = time.machine();
  const inner = new MemoryStore({ clock: time.machine() });
  const { store, counters } = metered(inner);
  const brain = new Brainy({
    storage: { type: "store", store },
    clock,
    random: seededRandom(1),
    pollInterval: 60_000,
    limits: { deletedGoneWithin: 8 * HOUR },
  });
  await brain.addMany(
    Array.from({ length: 50 }, (_, i) => ({ id: `r${i}`, vector: [1, i], text: `SECRET ${i}.` })),
  );
  await brain.compact();
  await brain.delete("r7");
  expect(await isAnywhere(inner, "SECRET 7.")).toBe(true);
  await time.pass(8 * HOUR);
  expect(await isAnywhere(inner, "SECRET 7.")).toBe(false);
  expect(await isAnywhere(inner, "SECRET 8.")).toBe(true);
  const { requests: puts } = counters.put;
  await time.pass(100 * HOUR);
  // The last seal goes after a day, and the manifest that forgets its lane is the last one.
  expect(counters.put.requests - puts).toBeLessThan(5);
  await brain.close();
});

test("a deadline for deletions is a number of milliseconds, of four hours or more", () => {
  for (const deletedGoneWithin of [HOUR, -1, Number.NaN, "7d" as unknown as number]) {
    expect(() => new Brainy({ limits: { deletedGoneWithin } })).toThrow(
      expect.objectContaining({
        code: "BRAINY_INVALID_ARGUMENT",
        message: expect.stringContaining("options.limits.deletedGoneWithin"),
      }),
    );
  }
});
