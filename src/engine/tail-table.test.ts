import fc from "fast-check";
import { expect, test } from "vitest";
import { TailTable, hashText } from "./tail-table.ts";

test("a table finds what a map of the same ids holds, however their hashes collide", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ maxLength: 2 }), { maxLength: 400 }),
      fc.integer({ min: 0, max: 4 }),
      (ids, bits) => {
        const table = new TailTable<string>();
        const places = new Map<string, number>();
        // Few bits left of each hash, in its upper half too: most ids share a cell or a hash.
        const hashOf = (id: string): number => hashText(id, 7) & (((1 << bits) - 1) * 0x10001);
        for (const id of ids) {
          const place = table.find(hashOf(id), (entry) => entry === id);
          expect(place).toBe(places.get(id) ?? -1);
          if (place < 0) places.set(id, table.add(hashOf(id), id));
        }
        expect(table.entries).toEqual([...places.keys()]);
      },
    ),
  );
});

test("a table that grows keeps every entry where it was", () => {
  const table = new TailTable<number>();
  const hashOf = (i: number): number => hashText(`id ${i}`, 3);
  for (let i = 0; i < 5_000; i++) expect(table.add(hashOf(i), i)).toBe(i);
  for (let i = 0; i < 5_000; i++) expect(table.find(hashOf(i), (entry) => entry === i)).toBe(i);
  expect(table.find(hashOf(5_000), () => false)).toBe(-1);
});
