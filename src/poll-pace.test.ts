import { expect, test } from "vitest";
import { nextWaitMs, pollPace } from "./poll-pace.ts";

const BUCKET = { givenMs: undefined, isShared: true, isPriced: true, isFleet: false };

test("who is alone never looks, and who was told how often keeps to it", () => {
  expect(pollPace({ ...BUCKET, isShared: false, isPriced: false })).toBeUndefined();
  expect(pollPace({ ...BUCKET, givenMs: 0 })).toBeUndefined();
  const told = { fastestMs: 250, slowestMs: 250, hintedMs: 250, idleMs: 250 };
  expect(pollPace({ ...BUCKET, givenMs: 250 })).toEqual(told);
  expect(nextWaitMs(told, { waitedMs: 250, isQuiet: true, unusedMs: 1e9 })).toBe(250);
});

test("looks at a bucket come later while nothing changes, and at once again when it does", () => {
  const pace = pollPace(BUCKET)!;
  const waits = [pace.fastestMs];
  for (let i = 0; i < 6; i++) {
    waits.push(nextWaitMs(pace, { waitedMs: waits.at(-1)!, isQuiet: true, unusedMs: 0 }));
  }
  expect(waits).toEqual([1_000, 1_500, 2_250, 3_375, 5_000, 5_000, 5_000]);
  expect(nextWaitMs(pace, { waitedMs: 5_000, isQuiet: false, unusedMs: 1e9 })).toBe(1_000);
});

test("an instance that nobody uses looks once a minute where looks cost, or a fleet does", () => {
  const quiet = { waitedMs: 1_000, isQuiet: true, unusedMs: 600_000 };
  expect(nextWaitMs(pollPace(BUCKET)!, quiet)).toBe(60_000);
  const folder = { ...BUCKET, isPriced: false };
  expect(nextWaitMs(pollPace(folder)!, quiet)).toBe(1_000);
  expect(nextWaitMs(pollPace({ ...folder, isFleet: true })!, quiet)).toBe(60_000);
  expect(nextWaitMs(pollPace(BUCKET)!, { ...quiet, unusedMs: 599_999 })).toBe(1_500);
});

test("where hints tell of what is new, looks go on for those that are lost, half a minute apart", () => {
  for (const isPriced of [false, true]) {
    const pace = pollPace({ ...BUCKET, isPriced, isFleet: true })!;
    const look = { waitedMs: 29_000, isQuiet: true, unusedMs: 0 };
    expect(nextWaitMs(pace, { ...look, isHinted: true })).toBe(30_000);
    expect(nextWaitMs(pace, { ...look, isHinted: false })).toBe(isPriced ? 5_000 : 1_000);
    expect(nextWaitMs(pace, { ...look, isHinted: true, isQuiet: false })).toBe(1_000);
    expect(nextWaitMs(pace, { ...look, isHinted: true, unusedMs: 1e9 })).toBe(60_000);
  }
});
