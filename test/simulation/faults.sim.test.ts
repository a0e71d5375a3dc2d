import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { Faults } from "./faults.ts";
import { simulate } from "./simulation.ts";

test("[Z8] a fault that is suppressed changes no other draw and no number", () => {
  const run = (suppressed?: ReadonlySet<number>): Faults => {
    const faults = new Faults({ random: seededRandom(5), nowMs: 0 }, suppressed);
    for (let i = 0; i < 200; i++) faults.occurs(i % 2 === 0 ? "stall" : "death", 0.2);
    return faults;
  };
  const all = run().occurred;
  expect(all.length).toBeGreaterThan(20);
  const some = run(new Set([3, 7]));
  expect(some.occurred).toEqual(all.filter(({ number }) => number !== 3 && number !== 7));
  const counted = [...some.counts.values()].reduce((sum, count) => sum + count, 0);
  expect(counted).toBe(all.length - 2);
});

test("[Z8] a run without any fault has none, and what it did is counted", async () => {
  const { faults, operations } = await simulate({ seed: 3, suppressed: { has: () => true } });
  expect(faults).toEqual({});
  expect(operations).toBeGreaterThan(20);
});

test("two processes that both hold maintenance, again and again, harm nothing", async () => {
  let slept = 0;
  for (let seed = 1; seed <= 4; seed++) {
    const plan = { holderStallRate: 0.5, flushSlots: 2, deathRate: 0, idleRate: 0.02 };
    slept += (await simulate({ seed, plan })).faults["two-holders"] ?? 0;
  }
  expect(slept).toBeGreaterThan(4);
});
