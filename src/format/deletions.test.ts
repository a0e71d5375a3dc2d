import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeDeletions, decodeDeletionsInline, deletionEntryInline } from "./deletions.ts";
import { INLINE_BYTES_MAX, encodeDeletions } from "./deletions.ts";

const ROWS = 1_000_000;
const rowSets = fc.oneof(
  fc.uniqueArray(fc.nat(ROWS - 1), { minLength: 1, maxLength: 200 }),
  fc.uniqueArray(fc.nat(300), { minLength: 1, maxLength: 200 }),
);

test("deletions are read as they were written, however dense", () => {
  fc.assert(
    fc.property(rowSets, (set) => {
      const rows = Uint32Array.from(set).toSorted();
      expect(decodeDeletions(encodeDeletions(rows), "k", ROWS)).toEqual(rows);
    }),
  );
});

test("the largest rows survive", () => {
  const rows = Uint32Array.of(0, 127, 128, 2 ** 31, 2 ** 32 - 2);
  expect(decodeDeletions(encodeDeletions(rows), "k", 2 ** 32 - 1)).toEqual(rows);
});

test("a million rows, all or one in a thousand masked, take little room", () => {
  const all = Uint32Array.from({ length: ROWS }, (_, row) => row);
  expect(encodeDeletions(all).byteLength).toBeLessThan(ROWS / 8 + 400);
  const few = Uint32Array.from({ length: 1000 }, (_, i) => i * 1000);
  expect(encodeDeletions(few).byteLength).toBeLessThan(2_400);
});

test("deletions travel inline up to three KiB, and then no more", () => {
  const entry = deletionEntryInline(Uint32Array.from({ length: 1000 }, (_, i) => i * 1000))!;
  expect(entry.count).toBe(1000);
  expect(decodeDeletionsInline(entry, "k", ROWS).at(-1)).toBe(999_000);
  expect(
    deletionEntryInline(Uint32Array.from({ length: 3000 }, (_, i) => i * 300)),
  ).toBeUndefined();
  expect(entry.inline.length).toBeLessThanOrEqual((INLINE_BYTES_MAX * 4) / 3 + 4);
});

test("deletions of a longer segment, or another count than the entry's, are corrupt", () => {
  const rows = Uint32Array.of(1, 9);
  expect(() => decodeDeletions(encodeDeletions(rows), "k", 9)).toThrow("k: masks 2 rows up to 9");
  const entry = { ...deletionEntryInline(rows)!, count: 3 };
  expect(() => decodeDeletionsInline(entry, "k", 10)).toThrow("its entry says 3");
  expect(() => decodeDeletionsInline({ count: 2, inline: "%%" }, "k", 10)).toThrow("not base64");
});
