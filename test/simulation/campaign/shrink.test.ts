import fc from "fast-check";
import { expect, test } from "vitest";
import { shrink, shrinkNumber } from "./shrink.ts";

const ITEMS = Array.from({ length: 60 }, (_, i) => i);

test("what is needed is what is left, in its order", async () => {
  const culprits = fc.uniqueArray(fc.nat({ max: 59 }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(culprits, async (needed) => {
      const kept = await shrink(ITEMS, async (list) => needed.every((one) => list.includes(one)));
      expect(kept).toEqual(needed.toSorted((a, b) => a - b));
    }),
  );
});

test("of two ways to fail one is left, and nothing of it can be left out", async () => {
  const fails = async (list: readonly number[]): Promise<boolean> =>
    [3, 50].every((one) => list.includes(one)) || [7, 8, 9].every((one) => list.includes(one));
  const kept = await shrink(ITEMS, fails);
  expect(await fails(kept)).toBe(true);
  for (const one of kept) expect(await fails(kept.filter((other) => other !== one))).toBe(false);
});

test("no more lists are tried than allowed, and what is left still fails", async () => {
  let tries = 0;
  const fails = async (list: readonly number[]): Promise<boolean> => {
    tries++;
    return list.filter((one) => one % 2 === 0).length === 30;
  };
  const kept = await shrink(ITEMS, fails, 20);
  expect(tries).toBe(20);
  expect(kept.filter((one) => one % 2 === 0)).toHaveLength(30);
});

test("the smallest number that fails is found", async () => {
  for (const least of [1, 2, 63, 100]) {
    const found = await shrinkNumber({ low: 1, high: 100 }, async (number) => number >= least);
    expect(found).toBe(least);
  }
});
