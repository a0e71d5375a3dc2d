import { assert } from "../base/assert.ts";
import { decodeText, encodeText } from "../base/bytes.ts";
import { hashBytes } from "../base/hash-bytes.ts";
import { BrainyError, corrupt } from "../base/errors.ts";

/*
 * Many texts one behind another. Row i is bytes [offsets[i], offsets[i + 1]):
 *
 *     offsets u32 × (count + 1) │ UTF-8 bytes
 *
 * Slots keep both parts together; segments keep them in two sections, so that one row costs two
 * short ranged reads.
 */

/** Rows of a blob column on their way from one object to another: no text is decoded. */
export interface BlobBatch {
  /** Bytes of each row. */
  readonly lengths: Uint32Array;
  readonly bytes: Uint8Array;
}

/** A column may be given as texts or as bytes copied from another column. */
export type TextBatch = readonly string[] | BlobBatch;

/** Offsets are 32 bits wide. */
export const BLOB_BYTES_MAX = 2 ** 32 - 1;

/** How many bytes `decodeTexts` turns into one string before it cuts rows out of it. */
const DECODE_BYTES = 1 << 20;

/**
 * All rows encoded by one call. Where every character is one byte, as in most JSON, the lengths
 * of the strings are the lengths of the rows, and no string is looked at twice.
 */
export function packTexts(texts: readonly string[]): BlobBatch {
  const joined = texts.join("");
  const bytes = encodeText(joined);
  const lengths = new Uint32Array(texts.length);
  if (bytes.byteLength === joined.length) {
    for (let i = 0; i < texts.length; i++) lengths[i] = texts[i]!.length;
    return { lengths, bytes };
  }
  let total = 0;
  for (let i = 0; i < texts.length; i++) total += lengths[i] = utf8Length(texts[i]!);
  if (total === bytes.byteLength) return { lengths, bytes };
  // Halves of a surrogate pair met at a seam and became one character: encode apart.
  const parts = texts.map((text) => encodeText(text));
  const apart = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const [i, part] of parts.entries()) {
    apart.set(part, at);
    lengths[i] = part.byteLength;
    at += part.byteLength;
  }
  return { lengths, bytes: apart };
}

/** The bytes of `batch`, whichever form it has. */
export function toBlobBatch(batch: TextBatch): BlobBatch {
  return "lengths" in batch ? batch : packTexts(batch);
}

/** Bytes that `writeBlobColumn` fills, without padding. */
export function blobColumnBytes(batch: BlobBatch): number {
  return 4 * (batch.lengths.length + 1) + batch.bytes.byteLength;
}

/** Offsets, then bytes, at the start of `target`, which is aligned to 4. */
export function writeBlobColumn(target: Uint8Array, batch: BlobBatch): void {
  const { lengths, bytes } = batch;
  const offsets = new Uint32Array(target.buffer, target.byteOffset, lengths.length + 1);
  let end = 0;
  for (let i = 0; i < lengths.length; i++) offsets[i + 1] = end += lengths[i]!;
  assert(end === bytes.byteLength, "lengths do not add up to the bytes");
  target.set(bytes, offsets.byteLength);
}

/** Offsets and bytes in one array. */
export function encodeBlobColumn(texts: readonly string[]): Uint8Array<ArrayBuffer> {
  const batch = packTexts(texts);
  const target = new Uint8Array(blobColumnBytes(batch));
  writeBlobColumn(target, batch);
  return target;
}

/** A column that `encodeBlobColumn` wrote; the count comes from elsewhere. */
export function decodeBlobColumn(bytes: Uint8Array, count: number, where: string): BlobColumn {
  const offsetsBytes = 4 * (count + 1);
  if (offsetsBytes > bytes.byteLength) throw corrupt(where, "a column is shorter than its offsets");
  const offsets = uint32View(bytes.subarray(0, offsetsBytes));
  return new BlobColumn(offsets, bytes.subarray(offsetsBytes), where);
}

/** Little-endian numbers in place; copied only when the bytes do not start at a multiple of 4. */
export function uint32View(bytes: Uint8Array): Uint32Array {
  const count = Math.floor(bytes.byteLength / 4);
  if (bytes.byteOffset % 4 === 0) return new Uint32Array(bytes.buffer, bytes.byteOffset, count);
  return new Uint32Array(bytes.slice(0, count * 4).buffer);
}

/** Rows of text over bytes that stay where they are. Offsets are checked when it is made. */
export class BlobColumn {
  readonly count: number;
  readonly #offsets: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #where: string;

  constructor(offsets: Uint32Array, bytes: Uint8Array, where: string) {
    let previous = 0;
    for (let i = 0; i < offsets.length; i++) {
      const offset = offsets[i]!;
      if (offset < previous) throw corrupt(where, `offset ${i} of a column goes back`);
      previous = offset;
    }
    if (offsets.length === 0 || offsets[0] !== 0 || previous !== bytes.byteLength) {
      throw corrupt(where, "the offsets of a column do not cover its bytes");
    }
    this.count = offsets.length - 1;
    this.#offsets = offsets;
    this.#bytes = bytes;
    this.#where = where;
  }

  /** The row's bytes, in place. */
  bytes(row: number): Uint8Array {
    return this.#bytes.subarray(this.#offsets[row], this.#offsets[row + 1]);
  }

  /** `hashBytes` of the row. */
  hash(row: number, seed: number): number {
    return hashBytes(this.#bytes, this.#offsets[row]!, this.#offsets[row + 1]!, seed);
  }

  /** Bytes of the row. */
  length(row: number): number {
    return this.#offsets[row + 1]! - this.#offsets[row]!;
  }

  text(row: number): string {
    return decodeRow(this.bytes(row), this.#where);
  }

  /**
   * Rows `[start, end)`, several times faster than one at a time. The strings of a stretch of
   * rows share one backing, which lives as long as any of them.
   */
  texts(start = 0, end: number = this.count): string[] {
    const texts: string[] = [];
    for (let row = start; row < end;) {
      const first = this.#offsets[row]!;
      let stop = row + 1;
      while (stop < end && this.#offsets[stop + 1]! - first <= DECODE_BYTES) stop++;
      const bytes = this.#bytes.subarray(first, this.#offsets[stop]);
      const joined = decodeRow(bytes, this.#where);
      const isAscii = joined.length === bytes.byteLength;
      for (; row < stop; row++) {
        texts.push(
          isAscii
            ? joined.slice(this.#offsets[row]! - first, this.#offsets[row + 1]! - first)
            : this.text(row),
        );
      }
    }
    return texts;
  }

  /** Rows `[start, end)` for copying; `bytes` is a view. */
  slice(start: number, end: number): BlobBatch {
    const lengths = new Uint32Array(end - start);
    for (let i = 0; i < lengths.length; i++) lengths[i] = this.length(start + i);
    return { lengths, bytes: this.#bytes.subarray(this.#offsets[start], this.#offsets[end]) };
  }

  /** The given rows, in that order, for copying. */
  gather(rows: ArrayLike<number>): BlobBatch {
    const lengths = new Uint32Array(rows.length);
    let total = 0;
    for (let i = 0; i < rows.length; i++) total += lengths[i] = this.length(rows[i]!);
    const bytes = new Uint8Array(total);
    let at = 0;
    for (let i = 0; i < rows.length; i++) {
      bytes.set(this.bytes(rows[i]!), at);
      at += lengths[i]!;
    }
    return { lengths, bytes };
  }
}

/** Text out of stored bytes: not being UTF-8 is damage. */
export function decodeRow(bytes: Uint8Array, where: string): string {
  try {
    return decodeText(bytes);
  } catch (cause) {
    throw new BrainyError("BRAINY_CORRUPT", `${where}: text is not valid UTF-8`, { cause });
  }
}

function utf8Length(text: string): number {
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) length += 1;
    else if (code < 0x800) length += 2;
    else if (code < 0xd800 || code > 0xdbff) length += 3;
    else {
      const next = text.charCodeAt(i + 1);
      if (next >= 0xdc00 && next <= 0xdfff) {
        length += 4;
        i++;
      } else length += 3;
    }
  }
  return length;
}
