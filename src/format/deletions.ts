import { assert } from "../base/assert.ts";
import { corrupt } from "../base/errors.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { uint32View } from "./blob-column.ts";
import { bytesSection, decodeContainer, encodeContainer, sectionOf } from "./container.ts";
import type { DeletionEntry } from "./manifest.ts";

/*
 * The rows of one segment that a later manifest masked. A container with two sections:
 *
 *     head   0 encoding u32 (0 bitmap, 1 gaps) │ 4 count u32 │ 8 greatest row u32 │ 12
 *     rows   bitmap: bit (row & 7) of byte (row >> 3), as long as the greatest row needs
 *            gaps: for each row its distance from the one before (from -1), minus one, in
 *            groups of 7 bits, low ones first, the top bit set on all but the last
 *
 * The smaller of the two is written; a bitmap when both are as long.
 */

/** "BDEL", read as a little-endian number. */
const DELETIONS_MAGIC = 0x4c45_4442;
const HEAD = 1;
const ROWS = 2;
const KINDS: ReadonlySet<number> = new Set([HEAD, ROWS]);
const BITMAP = 0;
const GAPS = 1;

/** Encoded vectors up to this size travel inside the manifest. */
export const INLINE_BYTES_MAX = 3 * 1024;

/** `rows` ascend, without duplicates, and there is at least one. */
export function encodeDeletions(rows: Uint32Array): Uint8Array<ArrayBuffer> {
  assert(rows.length > 0, "a deletion vector masks at least one row");
  for (let i = 1; i < rows.length; i++) assert(rows[i]! > rows[i - 1]!, "rows do not ascend");
  const greatest = rows.at(-1)!;
  const bitmapBytes = Math.floor(greatest / 8) + 1;
  const gaps = encodeGaps(rows, bitmapBytes);
  const encoding = gaps === undefined ? BITMAP : GAPS;
  const head = Uint32Array.of(encoding, rows.length, greatest);
  return encodeContainer({ magic: DELETIONS_MAGIC }, [
    bytesSection(HEAD, new Uint8Array(head.buffer)),
    bytesSection(ROWS, gaps ?? encodeBitmap(rows, bitmapBytes)),
  ]);
}

/** The rows, ascending, each below `rowCount`. */
export function decodeDeletions(bytes: Uint8Array, where: string, rowCount: number): Uint32Array {
  const container = decodeContainer(bytes, { magic: DELETIONS_MAGIC, where, kinds: KINDS });
  const head = sectionOf(container, HEAD, where);
  const content = sectionOf(container, ROWS, where);
  if (head.byteLength !== 12) throw corrupt(where, "the head of the deletions has another length");
  const [encoding, count, greatest] = uint32View(head) as unknown as readonly [
    number,
    number,
    number,
  ];
  if (encoding > GAPS || count === 0 || count > rowCount || greatest >= rowCount) {
    throw corrupt(where, `masks ${count} rows up to ${greatest} of a segment of ${rowCount}`);
  }
  if (encoding === GAPS ? content.byteLength < count : content.byteLength * 8 < count) {
    throw corrupt(where, `${content.byteLength} bytes cannot hold ${count} rows`);
  }
  const rows = new Uint32Array(count);
  const found = encoding === GAPS ? decodeGaps(content, rows) : decodeBitmap(content, rows);
  if (found !== count || rows.at(-1) !== greatest) {
    throw corrupt(where, "the rows do not match the head of the deletions");
  }
  return rows;
}

/**
 * The entry that carries these rows inside the manifest, or `undefined` when they take more than
 * `bytesMax`, 3 KiB by default, and need an object of their own.
 */
export function deletionEntryInline(
  rows: Uint32Array,
  bytesMax = INLINE_BYTES_MAX,
): Extract<DeletionEntry, { readonly inline: string }> | undefined {
  const bytes = encodeDeletions(rows);
  if (bytes.byteLength > bytesMax) return undefined;
  return { count: rows.length, inline: encodeBase64(bytes) };
}

/** The rows of an inline entry; `where` names the manifest and the segment. */
export function decodeDeletionsInline(
  entry: Extract<DeletionEntry, { readonly inline: string }>,
  where: string,
  rowCount: number,
): Uint32Array {
  const rows = decodeDeletions(decodeBase64(entry.inline, where), where, rowCount);
  if (rows.length !== entry.count) {
    throw corrupt(where, `masks ${rows.length} rows, its entry says ${entry.count}`);
  }
  return rows;
}

function encodeBitmap(rows: Uint32Array, length: number): Uint8Array {
  const bitmap = new Uint8Array(length);
  for (const row of rows) bitmap[row >>> 3]! |= 1 << (row & 7);
  return bitmap;
}

/** `undefined` when it would not be shorter than `bytesMax`. */
function encodeGaps(rows: Uint32Array, bytesMax: number): Uint8Array | undefined {
  if (rows.length >= bytesMax) return undefined;
  const gaps = new Uint8Array(bytesMax + 4);
  let at = 0;
  let previous = -1;
  for (const row of rows) {
    let gap = row - previous - 1;
    previous = row;
    for (; gap >= 0x80; gap = Math.floor(gap / 0x80)) gaps[at++] = (gap % 0x80) | 0x80;
    gaps[at++] = gap;
    if (at >= bytesMax) return undefined;
  }
  return gaps.subarray(0, at);
}

/** How many rows were found; one more than fit when there are too many. */
function decodeBitmap(bytes: Uint8Array, rows: Uint32Array): number {
  let found = 0;
  for (const [i, byte] of bytes.entries()) {
    if (byte === 0) continue;
    for (let bit = 0; bit < 8; bit++) {
      if ((byte & (1 << bit)) === 0) continue;
      if (found === rows.length) return found + 1;
      rows[found++] = i * 8 + bit;
    }
  }
  return found;
}

function decodeGaps(bytes: Uint8Array, rows: Uint32Array): number {
  let found = 0;
  let row = -1;
  let gap = 0;
  let scale = 1;
  for (const byte of bytes) {
    gap += (byte & 0x7f) * scale;
    scale *= 0x80;
    if (scale > 2 ** 35) return 0;
    if ((byte & 0x80) !== 0) continue;
    row += gap + 1;
    gap = 0;
    scale = 1;
    if (found === rows.length) return found + 1;
    if (row >= 2 ** 32) return 0;
    rows[found++] = row;
  }
  return scale === 1 ? found : 0;
}
