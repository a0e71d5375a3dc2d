import { corrupt } from "../base/errors.ts";
import { uint32View } from "./blob-column.ts";
import type { IdHash } from "./hash-id.ts";

/*
 * A Bloom filter over the ids of a segment (Bloom 1970; positions by double hashing, Kirsch and
 * Mitzenmacher 2006): ten bits an id and seven positions let through about 1 % of other ids.
 *
 *     0 positions per id u32 │ 4 zeros │ 8 bits, in words of 32
 */
const BITS_PER_ID = 10;
const POSITIONS = 7;
const HEAD_WORDS = 2;
const POSITIONS_MAX = 32;

/** The filter of these ids, as the bytes of its section. */
export function buildIdFilter(his: Uint32Array, los: Uint32Array): Uint8Array<ArrayBuffer> {
  const words = Math.max(2, Math.ceil((his.length * BITS_PER_ID) / 64) * 2);
  const filter = new Uint32Array(HEAD_WORDS + words);
  filter[0] = POSITIONS;
  const bits = words * 32;
  for (let i = 0; i < his.length; i++) {
    const step = (his[i]! | 1) >>> 0;
    let mixed = los[i]!;
    for (let k = 0; k < POSITIONS; k++) {
      const position = mixed % bits;
      filter[HEAD_WORDS + (position >>> 5)]! |= 1 << (position & 31);
      mixed = (mixed + step) >>> 0;
    }
  }
  return new Uint8Array(filter.buffer);
}

/** Answers "certainly not here" for 99 of 100 ids that a segment lacks. */
export class IdFilter {
  readonly #words: Uint32Array;
  readonly #positions: number;
  readonly #bits: number;

  constructor(bytes: Uint8Array, where: string) {
    const words = uint32View(bytes);
    const positions = words[0] ?? 0;
    if (
      bytes.byteLength % 4 !== 0 ||
      words.length <= HEAD_WORDS ||
      positions === 0 ||
      positions > POSITIONS_MAX ||
      words[1] !== 0
    ) {
      throw corrupt(where, "the head of the id filter holds impossible values");
    }
    this.#positions = positions;
    this.#words = words.subarray(HEAD_WORDS);
    this.#bits = this.#words.length * 32;
  }

  mayContain({ hi, lo }: IdHash): boolean {
    const step = (hi | 1) >>> 0;
    let mixed = lo;
    for (let k = 0; k < this.#positions; k++) {
      const position = mixed % this.#bits;
      if ((this.#words[position >>> 5]! & (1 << (position & 31))) === 0) return false;
      mixed = (mixed + step) >>> 0;
    }
    return true;
  }
}
