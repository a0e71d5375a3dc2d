import { expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { Brainy } from "../index.ts";

test("a large slot becomes visible in parts, between which others get their turn", async () => {
  let breaths = 0;
  const clock = {
    ...systemClock,
    breathe: () => {
      breaths++;
      return systemClock.breathe();
    },
  };
  await using brain = new Brainy({ clock, compaction: false });
  await brain.add([1, 0], {}, { id: "first" });
  const ids = Array.from({ length: 1_000 }, (_, i) => `r${i}`);
  breaths = 0;
  // One slot, without what `addMany` itself does in parts.
  expect(await brain.delete(ids)).toBe(0);
  expect(breaths).toBeGreaterThanOrEqual(3);
});

test("what was acknowledged is visible, whether its slot was large or small", async () => {
  await using brain = new Brainy({ compaction: false, batching: { size: 1_000 } });
  const vectors = Array.from({ length: 2_500 }, (_, i) => [1, i]);
  const adding = brain.addMany(
    vectors.map((vector, i) => ({ id: `r${i}`, vector })),
    {
      onProgress: ({ added }) => seen.push([added, brain.getMetrics().index.records]),
    },
  );
  const seen: (readonly [added: number, visible: number])[] = [];
  await brain.add([0, 1], {}, { id: "beside" });
  expect(await brain.has("beside")).toBe(true);
  await adding;
  expect(seen.length).toBeGreaterThan(2);
  for (const [added, visible] of seen) expect(visible).toBeGreaterThanOrEqual(added);
  expect(await brain.count()).toBe(2_501);
});
