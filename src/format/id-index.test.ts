import fc from "fast-check";
import { expect, test } from "vitest";
import { uint32View } from "./blob-column.ts";
import { hashId } from "./hash-id.ts";
import { IdFilter, buildIdFilter } from "./id-filter.ts";
import { FENCE_EVERY, IdEntries, IdIndex, buildIdIndex, fenceRange } from "./id-index.ts";

test("the hash of an id is frozen", () => {
  expect(hashId("")).toEqual({ hi: 0xef46db37, lo: 0x51d8e999 });
  expect(hashId("abc")).toEqual({ hi: 0x44bc2cf5, lo: 0xad770999 });
});

test("entries are sorted by hash and then by row", () => {
  const half = fc.constantFrom(0, 1, 2, 0xffff, 0x1_0000, 0x7fff_ffff, 0xffff_ffff);
  fc.assert(
    fc.property(fc.array(fc.tuple(half, half), { maxLength: 60 }), (hashes) => {
      const his = Uint32Array.from(hashes, ([hi]) => hi);
      const los = Uint32Array.from(hashes, ([, lo]) => lo);
      const { index } = buildIdIndex(his, los);
      const wanted = hashes
        .map(([hi, lo], row) => ({ hi, lo, row }))
        .toSorted((a, b) => a.hi - b.hi || a.lo - b.lo || a.row - b.row);
      expect([...uint32View(index)]).toEqual(wanted.flatMap(({ hi, lo, row }) => [hi, lo, row]));
    }),
  );
});

test("many rows are in the same order as few", () => {
  const his = Uint32Array.from({ length: 5_000 }, (_, row) => Math.imul(row % 1_700, 0x9e3779b1));
  const los = Uint32Array.from({ length: 5_000 }, (_, row) => Math.imul(row % 3_400, 0x85ebca6b));
  const wanted = [...his.keys()].toSorted(
    (a, b) => his[a]! - his[b]! || los[a]! - los[b]! || a - b,
  );
  for (const count of [2_048, 2_049, 5_000]) {
    const { index } = buildIdIndex(his.subarray(0, count), los.subarray(0, count));
    const rows = [...uint32View(index)].filter((_, i) => i % 3 === 2);
    expect(rows).toEqual(wanted.filter((row) => row < count));
  }
});

test("the stretch that the fence names holds every row of a hash, over many collisions too", () => {
  // Few different hashes, each on several stretches: the worst that a fence can meet.
  const count = 9 * FENCE_EVERY + 17;
  const his = Uint32Array.from({ length: count }, (_, row) => (row % 5) * 10);
  const los = Uint32Array.from({ length: count }, (_, row) => (row % 7 === 0 ? 1 : 3));
  const { index, fence } = buildIdIndex(his, los);
  for (const hi of [0, 5, 10, 40, 45]) {
    for (const lo of [0, 1, 2, 3, 4]) {
      const [start, end] = fenceRange(uint32View(fence), { hi, lo }, count);
      const stretch = new IdEntries(index.subarray(start * 12, end * 12), count, "k");
      const wanted = [...his.keys()].filter((row) => his[row] === hi && los[row] === lo);
      expect(stretch.rows({ hi, lo })).toEqual(wanted);
    }
  }
});

test("two ids with one hash are told apart by their texts", () => {
  const hash = { hi: 7, lo: 9 };
  const his = Uint32Array.of(7, 7);
  const los = Uint32Array.of(9, 9);
  const filter = new IdFilter(buildIdFilter(his, los), "k");
  const index = new IdIndex(new IdEntries(buildIdIndex(his, los).index, 2, "k"), filter);
  const ids = ["a", "b"];
  expect(index.find("b", (row) => ids[row]!, hash)).toBe(1);
  expect(index.find("c", (row) => ids[row]!, hash)).toBe(-1);
});

test("the filter knows every id and lets through about one other in a hundred", () => {
  const hashes = Array.from({ length: 20_000 }, (_, i) => hashId(`id-${i}`));
  const his = Uint32Array.from(hashes, ({ hi }) => hi);
  const los = Uint32Array.from(hashes, ({ lo }) => lo);
  const bytes = buildIdFilter(his, los);
  expect(bytes.byteLength).toBeLessThan(20_000 * 1.26 + 16);
  const filter = new IdFilter(bytes, "k");
  expect(hashes.every((hash) => filter.mayContain(hash))).toBe(true);
  let passed = 0;
  for (let i = 0; i < 20_000; i++) if (filter.mayContain(hashId(`other-${i}`))) passed++;
  expect(passed).toBeLessThan(300);
});
