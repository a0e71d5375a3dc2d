import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { judgeFlatness, type Sample } from "./flatness.mjs";

/*
 * The judge of the soak: a leak is noticed, noise is not.
 */

const MIB = 2 ** 20;
const TOLERANCE = { share: 0.1, units: 4 * MIB };

/** Thirty minutes, a sample every ten seconds. */
function samples(valueAt: (minute: number, index: number) => number): Sample[] {
  return Array.from({ length: 180 }, (_, i) => ({ atMs: i * 10_000, value: valueAt(i / 6, i) }));
}

const SEEDS = Array.from({ length: 200 }, (_, seed) => seed);

/** How many of 200 runs with other noise are called flat. */
function flatRuns(valueAt: (minute: number, noise: () => number) => number): number {
  return SEEDS.filter((seed) => {
    const random = seededRandom(seed);
    const one = samples((minute) => valueAt(minute, () => random.next()));
    return judgeFlatness(one, TOLERANCE)!.isFlat;
  }).length;
}

test("noise of a third of its size around a level is flat, whatever the seed", () => {
  expect(flatRuns((_, noise) => 60 * MIB * (1 + noise() / 3))).toBe(200);
});

test("what is filled in the first minutes and stays is flat", () => {
  expect(flatRuns((minute, noise) => MIB * (40 + 60 * (1 - Math.exp(-minute / 2)) + noise()))).toBe(
    200,
  );
});

test("a saw whose teeth are as high as ten times its floor is flat", () => {
  expect(flatRuns((minute, noise) => MIB * (5 + 50 * ((minute / 1.3) % 1) + noise()))).toBe(200);
});

test("single peaks, and a single low point, are no leak", () => {
  const one = samples((_, i) => MIB * (60 + (i % 40 === 7 ? 300 : 0) - (i === 90 ? 50 : 0)));
  expect(judgeFlatness(one, TOLERANCE)!.isFlat).toBe(true);
});

test("a leak of a mebibyte a minute is found under noise of the same size, whatever the seed", () => {
  expect(flatRuns((minute, noise) => MIB * (60 + minute + 10 * noise()))).toBe(0);
});

test("a leak under the teeth of a saw is found", () => {
  expect(
    flatRuns((minute, noise) => MIB * (5 + minute + 50 * ((minute / 1.3) % 1) + noise())),
  ).toBe(0);
});

test("a leak of one file in a minute is found", () => {
  const tolerance = { share: 0.1, units: 5 };
  const one = samples((minute, i) => 40 + Math.floor(minute) + (i % 3));
  expect(judgeFlatness(one, tolerance)!.isFlat).toBe(false);
  const flat = samples((_, i) => 40 + (i % 7));
  expect(judgeFlatness(flat, tolerance)).toMatchObject({ isFlat: true, median: 40 });
});

test("too few samples say nothing", () => {
  expect(judgeFlatness(samples(() => 1).slice(0, 7), TOLERANCE)).toBeUndefined();
});
