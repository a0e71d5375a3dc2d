import { expect, onTestFinished, test } from "vitest";
import { FakeClock } from "../test/support/fake-clock.ts";
import { ManualClock } from "../test/support/manual-clock.ts";
import { Brainy } from "./brainy.ts";
import { MemoryStore } from "./storage/adapters/memory.ts";
import type { BrainyOptions, ReadFreshness } from "./types.ts";

function world() {
  const time = new ManualClock();
  const store = new MemoryStore({ clock: time });
  const open = (options: BrainyOptions): Brainy => {
    const clock = new FakeClock(time);
    const storage = { type: "store", store } as const;
    const brain = new Brainy({ storage, clock, pollInterval: 0, ...options });
    onTestFinished(() => brain.close());
    return brain;
  };
  return { time, open };
}

test("[R6] every read says how fresh its answer is", async () => {
  const { time, open } = world();
  const writer = open({});
  await writer.add([1, 0], {}, { id: "a" });
  const reader = open({ readOnly: true });
  await reader.init();
  time.advance(7_000);
  const told: ReadFreshness[] = [];
  const onFreshness = (freshness: ReadFreshness): void => void told.push(freshness);
  await reader.count({}, { onFreshness });
  await reader.get("a", { consistency: "bounded", maxStalenessMs: 10_000, onFreshness });
  await reader.search([1, 0], { consistency: "bounded", onFreshness });
  time.advance(1_000);
  await reader.has("a", { consistency: "strong", onFreshness });
  await reader.list({ onFreshness });
  expect(told.map(({ consistency, stalenessMs }) => [consistency, stalenessMs])).toEqual([
    ["eventual", 7_000],
    ["bounded", 7_000],
    ["bounded", 0],
    ["strong", 0],
    ["eventual", 0],
  ]);
  expect(reader.getMetrics().replication.lag).toBe(0);
});

test("a fleet's level is that of reads which do not say theirs", async () => {
  const { open } = world();
  const writer = open({});
  await writer.add([1, 0], {}, { id: "a" });
  const reader = open({ distributed: { role: "reader", consistencyLevel: "strong" } });
  await reader.init();
  await writer.add([1, 0], {}, { id: "b" });
  expect(await reader.has("b", { consistency: "eventual" })).toBe(false);
  expect(await reader.has("b")).toBe(true);
  expect(() =>
    open({ distributed: { role: "reader", consistencyLevel: "exact" as "strong" } }),
  ).toThrow(/consistencyLevel: "exact" is none of eventual, bounded, strong/);
});
