/*
 * One bit a row, bit `row & 7` of byte `row >> 3`: the order that the kernel's masks have.
 */

/** Bytes of a bitmap for so many rows. */
export function bitmapBytes(rows: number): number {
  return (rows + 7) >>> 3;
}

/** Rows beyond the bitmap are not set. */
export function hasBit(bitmap: Uint8Array, row: number): boolean {
  return ((bitmap[row >>> 3] ?? 0) & (1 << (row & 7))) !== 0;
}

/** Adds a row. */
export function setBit(bitmap: Uint8Array, row: number): void {
  bitmap[row >>> 3]! |= 1 << (row & 7);
}

/** Takes a row out. */
export function clearBit(bitmap: Uint8Array, row: number): void {
  bitmap[row >>> 3]! &= ~(1 << (row & 7));
}

/** `target &= other`, byte by byte. */
export function intersectInto(target: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < target.byteLength; i++) target[i]! &= other[i] ?? 0;
}

const ONES = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
});

/** How many rows are set. */
export function countBits(bitmap: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < bitmap.byteLength; i++) count += ONES[bitmap[i]!]!;
  return count;
}
