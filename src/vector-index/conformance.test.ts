import { expect, test } from "vitest";
import { bruteForce } from "./brute-force.ts";
import type { BuildOptions } from "./conformance.ts";
import { vectorIndexConformance } from "./conformance.ts";
import type { IndexSearchOptions, Neighbour, VectorIndex } from "./contract.ts";

type Search = (built: BuildOptions, options: IndexSearchOptions) => Neighbour[];

const right: Search = (built, options) => bruteForce({ ...built, ...options });

/** Runs the suite as data, and returns the names of the cases that failed. */
async function failures(search: Search, recallMin = 1): Promise<string[]> {
  const cases: [name: string, run: () => Promise<void>][] = [];
  vectorIndexConformance({
    test: (name, run) => cases.push([name, run]),
    recallMin,
    build: async (built): Promise<VectorIndex> => ({
      async search(options): Promise<Neighbour[]> {
        options.signal?.throwIfAborted();
        return search(built, options);
      },
    }),
  });
  const failed: string[] = [];
  for (const [name, run] of cases) await run().catch(() => failed.push(name));
  return failed;
}

// Who tests the tests: each index below breaks one promise, and the suite must notice.

test("the oracle passes", async () => {
  expect(await failures(right)).toEqual([]);
});

test("an index that ignores the mask is noticed", async () => {
  const failed = await failures((built, options) => right(built, { ...options, mask: undefined }));
  expect(failed).toContain("rows that the mask leaves out are never returned, and k others are");
});

test("an index that filters after the search is noticed", async () => {
  const failed = await failures((built, options) => {
    const nearest = right(built, { ...options, mask: undefined });
    const allowed = new Set(right(built, { ...options, k: Infinity }).map(({ row }) => row));
    return nearest.filter(({ row }) => allowed.has(row));
  });
  expect(failed).toContain("a mask that leaves out the nearest rows does not cost results");
});

test("an index that prefers the higher row of a tie is noticed", async () => {
  const failed = await failures((built, options) =>
    right(built, { ...options, k: Infinity })
      .sort((a, b) => a.distance - b.distance || b.row - a.row)
      .slice(0, options.k),
  );
  expect(failed).toContain("duplicates are all found, the lower row first");
  expect(failed).toContain("rows that are all equal are found, and k of them");
});

test("an index that answers in float32 is noticed", async () => {
  const failed = await failures((built, options) =>
    right(built, options).map(({ row, distance }) => ({ row, distance: Math.fround(distance) })),
  );
  expect(failed).toContain("the nearest rows are found for dimensions 1 to 4096");
});

test("an approximate index passes at its own recall, and not above", async () => {
  // Never finds the nearest of many rows; the next one takes its place.
  const careless: Search = (built, options) =>
    built.vectors.length > 100 && options.mask === undefined && options.k === 10
      ? right(built, { ...options, k: 11 }).slice(1)
      : right(built, options);
  expect(await failures(careless, 0.5)).toEqual([]);
  expect(await failures(careless, 0.95)).not.toEqual([]);
});

test("a skip that names no case is an error", () => {
  const build = async (): Promise<VectorIndex> => ({ search: async () => [] });
  const skip = { "one row is found by nobody": "typo" };
  expect(() => vectorIndexConformance({ test: () => {}, recallMin: 1, build, skip })).toThrow(
    /names no case/,
  );
});
