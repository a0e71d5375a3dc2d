import fc from "fast-check";
import { expect, test } from "vitest";
import type { SegmentId } from "../format/manifest.ts";
import { ContentCache } from "./content-cache.ts";

const SEGMENT = "s" as SegmentId;

test("any sequence stays within both bounds, and gives back what was kept or nothing", () => {
  const row = fc.nat({ max: 30 });
  const limits = fc.record({
    recordsMax: fc.nat({ max: 12 }),
    bytesMax: fc.integer({ min: 1, max: 4_000 }),
    keptShare: fc.constantFrom(0.1, 0.5, 0.9, 1),
  });
  fc.assert(
    fc.property(limits, fc.array(row, { maxLength: 100 }), (options, rows) => {
      const cache = new ContentCache(options);
      const contentOf = (n: number): string => "x".repeat(n * 20);
      for (const n of rows) {
        const found = cache.find(SEGMENT, n);
        if (found !== undefined) expect(found).toBe(contentOf(n));
        else cache.keep(SEGMENT, n, contentOf(n));
        const { records, bytes, hits, misses } = cache.counters;
        expect(records).toBeLessThanOrEqual(options.recordsMax);
        expect(bytes).toBeLessThanOrEqual(options.bytesMax);
        expect(bytes === 0).toBe(records === 0);
        expect(cache.hitRate).toBe(hits / (hits + misses));
      }
    }),
  );
});

test("the least recently used goes first, down to the share that is kept", () => {
  const cache = new ContentCache({ recordsMax: 10, bytesMax: 1e6, keptShare: 0.7 });
  for (let row = 0; row < 10; row++) cache.keep(SEGMENT, row, "x");
  cache.find(SEGMENT, 0);
  cache.keep(SEGMENT, 10, "x");
  expect(cache.counters).toMatchObject({ records: 8, evictions: 3 });
  const kept = Array.from({ length: 11 }, (_, row) => cache.find(SEGMENT, row) !== undefined);
  expect(kept).toEqual(
    [0, 4, 5, 6, 7, 8, 9, 10].reduce(
      (all, row) => all.with(row, true),
      Array<boolean>(11).fill(false),
    ),
  );
});

test("what is larger than the bound pushes nothing out", () => {
  const cache = new ContentCache({ recordsMax: 10, bytesMax: 1_000, keptShare: 0.9 });
  cache.keep(SEGMENT, 0, "x");
  cache.keep(SEGMENT, 1, "x".repeat(1_000));
  expect(cache.counters.records).toBe(1);
});
