import { encodeText } from "../base/bytes.ts";
import { hashBytes } from "../base/hash-bytes.ts";

/** Cells of an empty table; a power of two, as always. */
const CELLS_MIN = 256;

/** What tells whether an entry is of the id that is looked for. */
export type IsSame<Entry> = (entry: Entry) => boolean;

/**
 * The entries of the tail by the hash of their id, in the order they came: cells of hash and place
 * in one array of numbers, looked through from where the hash points. A `Map` of strings took
 * three times as long for a new id and kept a string of each.
 */
export class TailTable<Entry> {
  /** By place. Replaced in place, never removed. */
  readonly entries: Entry[] = [];
  /** Hash and place + 1 of each cell; 0 for an empty one. At most half of them are in use. */
  #cells = new Int32Array(2 * CELLS_MIN);
  #mask = CELLS_MIN - 1;

  /** The place of the entry, or -1. `isSame` settles entries with the same hash. */
  find(hash: number, isSame: IsSame<Entry>): number {
    const cells = this.#cells;
    for (let cell = hash & this.#mask; ; cell = (cell + 1) & this.#mask) {
      const place = cells[2 * cell + 1]! - 1;
      if (place < 0) return -1;
      if (cells[2 * cell] === hash && isSame(this.entries[place] as Entry)) return place;
    }
  }

  /** The place of an entry whose id has none yet. */
  add(hash: number, entry: Entry): number {
    this.entries.push(entry);
    if (this.entries.length * 2 > this.#mask + 1) this.#grow();
    this.#put(hash, this.entries.length);
    return this.entries.length - 1;
  }

  #grow(): void {
    const old = this.#cells;
    this.#cells = new Int32Array(2 * old.length);
    this.#mask = 2 * this.#mask + 1;
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] !== 0) this.#put(old[at]!, old[at + 1]!);
    }
  }

  #put(hash: number, placeAfter: number): void {
    const cells = this.#cells;
    let cell = hash & this.#mask;
    while (cells[2 * cell + 1] !== 0) cell = (cell + 1) & this.#mask;
    cells[2 * cell] = hash;
    cells[2 * cell + 1] = placeAfter;
  }
}

/** Of the hashes of ids: another in each database, and unknown to whoever only picks ids. */
export function tableSeed(databaseId: string): number {
  return hashText(databaseId, 0);
}

/** `hashBytes` of a text's UTF-8. */
export function hashText(text: string, seed: number): number {
  const bytes = encodeText(text);
  return hashBytes(bytes, 0, bytes.byteLength, seed);
}
