import fc from "fast-check";
import { expect, test } from "vitest";
import { BlobColumn, decodeBlobColumn, encodeBlobColumn, packTexts } from "./blob-column.ts";

const texts = fc.array(fc.oneof(fc.string(), fc.string({ unit: "grapheme" })), { maxLength: 20 });

test("a column returns its texts, one at a time, all at once and as bytes", () => {
  fc.assert(
    fc.property(texts, fc.nat(3), (rows, shift) => {
      const encoded = encodeBlobColumn(rows);
      const bytes = new Uint8Array(encoded.byteLength + shift);
      bytes.set(encoded, shift);
      const column = decodeBlobColumn(bytes.subarray(shift), rows.length, "k");
      expect(column.texts()).toEqual(rows);
      expect(rows.map((_, row) => column.text(row))).toEqual(rows);
      expect(rows.map((_, row) => Buffer.from(column.bytes(row)).toString())).toEqual(rows);
      const reversed = [...rows.keys()].toReversed();
      expect(column.gather(reversed)).toEqual(packTexts(rows.toReversed()));
      const half = rows.length >> 1;
      expect(column.slice(half, rows.length)).toEqual(packTexts(rows.slice(half)));
    }),
  );
});

test("half characters at the seam of two rows do not become one", () => {
  const rows = ["a\uD83D", "\uDC3Bb"];
  const column = decodeBlobColumn(encodeBlobColumn(rows), 2, "k");
  expect(column.texts()).toEqual(["a\uFFFD", "\uFFFDb"]);
});

test("rows longer and shorter than what is decoded at once stay apart", () => {
  const rows = ["x".repeat(3_000_000), "ä", ...Array<string>(5).fill("y".repeat(400_000)), ""];
  expect(decodeBlobColumn(encodeBlobColumn(rows), rows.length, "k").texts()).toEqual(rows);
});

test("offsets that go back, start late or end early are corrupt", () => {
  const bytes = new Uint8Array(5);
  for (const offsets of [[0, 3, 2, 5], [1, 5], [0, 4], [0, 6], []]) {
    expect(() => new BlobColumn(Uint32Array.from(offsets), bytes, "k")).toThrow("k: ");
  }
  expect(() => decodeBlobColumn(bytes, 2 ** 32 - 1, "k")).toThrow("shorter than its offsets");
});

test("a row that is no UTF-8 is corrupt, even where the whole column is", () => {
  const column = new BlobColumn(Uint32Array.of(0, 1, 2), Uint8Array.of(0xc3, 0xa4), "k");
  expect(() => column.texts()).toThrow("k: text is not valid UTF-8");
  expect(() => column.text(1)).toThrow("k: text is not valid UTF-8");
});
