import { corrupt } from "../base/errors.ts";
import { uint32View } from "./blob-column.ts";
import { hashId } from "./hash-id.ts";
import type { IdHash } from "./hash-id.ts";
import type { IdFilter } from "./id-filter.ts";

/*
 * From id to row: entries of 12 bytes, `hash high u32, hash low u32, row u32`, sorted by hash and
 * then row. The fence has the hash of every 1024th entry (`high u32, low u32`), so that a reader
 * that holds it finds an id with one short read of the index.
 */
/** Bytes of one entry of the index. */
export const INDEX_ENTRY_BYTES = 12;
/** Bytes of one post of the fence. */
export const FENCE_ENTRY_BYTES = 8;
/** Entries from one post of the fence to the next: 12 KiB of index. */
export const FENCE_EVERY = 1024;

/** The bytes of the two sections. */
export interface BuiltIdIndex {
  readonly index: Uint8Array<ArrayBuffer>;
  readonly fence: Uint8Array<ArrayBuffer>;
}

/** Rows sorted between two steps: about two milliseconds of work. */
const STEP_ROWS = 1 << 16;

/** Up to here comparing is faster than counting, which goes over four tables of 65,537 numbers. */
const COMPARED_ROWS_MAX = 2_048;

/** Index and fence of rows whose hashes are given, in one go: 200 ms for a million rows. */
export function buildIdIndex(his: Uint32Array, los: Uint32Array): BuiltIdIndex {
  const steps = idIndexSteps(his, los);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same, which yields every few milliseconds so that its caller may let other work run. */
export function* idIndexSteps(
  his: Uint32Array,
  los: Uint32Array,
): Generator<void, BuiltIdIndex, undefined> {
  const order = yield* sortedOrder(his, los);
  const index = new Uint32Array(3 * order.length);
  const fence = new Uint32Array(2 * Math.ceil(order.length / FENCE_EVERY));
  for (let i = 0; i < order.length; i++) {
    if (i % STEP_ROWS === 0) yield;
    const row = order[i]!;
    index[3 * i] = his[row]!;
    index[3 * i + 1] = los[row]!;
    index[3 * i + 2] = row;
    if (i % FENCE_EVERY !== 0) continue;
    fence[(2 * i) / FENCE_EVERY] = his[row]!;
    fence[(2 * i) / FENCE_EVERY + 1] = los[row]!;
  }
  return { index: new Uint8Array(index.buffer), fence: new Uint8Array(fence.buffer) };
}

/** Rows by hash, equal hashes by row: for many rows a stable radix sort, 16 bits at a time. */
function* sortedOrder(his: Uint32Array, los: Uint32Array): Generator<void, Uint32Array, undefined> {
  let order = Uint32Array.from(his, (_, row) => row);
  if (order.length <= COMPARED_ROWS_MAX) {
    return order.sort((a, b) => his[a]! - his[b]! || los[a]! - los[b]! || a - b);
  }
  let next = new Uint32Array(order.length);
  for (const [halves, shift] of [
    [los, 0],
    [los, 16],
    [his, 0],
    [his, 16],
  ] as const) {
    const starts = new Uint32Array(0x1_0001);
    for (let i = 0; i < halves.length; i++) starts[((halves[i]! >>> shift) & 0xffff) + 1]!++;
    for (let i = 1; i < starts.length; i++) starts[i]! += starts[i - 1]!;
    for (let i = 0; i < order.length; i++) {
      if (i % STEP_ROWS === 0) yield;
      const row = order[i]!;
      next[starts[(halves[row]! >>> shift) & 0xffff]!++] = row;
    }
    [order, next] = [next, order];
  }
  return order;
}

/** A stretch of index entries, or the whole index. */
export class IdEntries {
  readonly count: number;
  readonly #entries: Uint32Array;
  readonly #rowCount: number;
  readonly #where: string;

  constructor(bytes: Uint8Array, rowCount: number, where: string) {
    this.#entries = uint32View(bytes);
    this.count = bytes.byteLength / INDEX_ENTRY_BYTES;
    this.#rowCount = rowCount;
    this.#where = where;
  }

  hash(entry: number): IdHash {
    return { hi: this.#entries[3 * entry]!, lo: this.#entries[3 * entry + 1]! };
  }

  row(entry: number): number {
    const row = this.#entries[3 * entry + 2]!;
    if (row >= this.#rowCount) throw corrupt(this.#where, `the id index names row ${row}`);
    return row;
  }

  /** Rows whose ids have this hash: none, one, or on a collision several. */
  rows(hash: IdHash): number[] {
    const rows: number[] = [];
    for (let entry = this.#lowerBound(hash); entry < this.count; entry++) {
      if (compareHash(this.#entries, 3 * entry, hash) !== 0) break;
      rows.push(this.row(entry));
    }
    return rows;
  }

  #lowerBound(hash: IdHash): number {
    let start = 0;
    let end = this.count;
    while (start < end) {
      const middle = (start + end) >>> 1;
      if (compareHash(this.#entries, 3 * middle, hash) < 0) start = middle + 1;
      else end = middle;
    }
    return start;
  }
}

/** The index of a segment in memory, with its filter in front. */
export class IdIndex {
  readonly entries: IdEntries;
  readonly #filter: IdFilter;

  constructor(entries: IdEntries, filter: IdFilter) {
    this.entries = entries;
    this.#filter = filter;
  }

  /** `false`: no row has an id of this hash. */
  mayContain(hash: IdHash): boolean {
    return this.#filter.mayContain(hash);
  }

  /** The row of `id`, or -1. `idOfRow` settles the rare case of two ids with one hash. */
  find(id: string, idOfRow: (row: number) => string, hash: IdHash = hashId(id)): number {
    if (!this.#filter.mayContain(hash)) return -1;
    for (const row of this.entries.rows(hash)) if (idOfRow(row) === id) return row;
    return -1;
  }
}

/** Entries `[start, end)` among which a hash must be, as far as the fence can tell. */
export function fenceRange(
  fence: Uint32Array,
  hash: IdHash,
  count: number,
): readonly [start: number, end: number] {
  const posts = fence.length / 2;
  let start = 0;
  let end = posts;
  while (start < end) {
    const middle = (start + end) >>> 1;
    if (compareHash(fence, 2 * middle, hash) < 0) start = middle + 1;
    else end = middle;
  }
  // Entries from the last post before the hash up to the first post after it.
  let after = start;
  while (after < posts && compareHash(fence, 2 * after, hash) === 0) after++;
  return [Math.max(0, start - 1) * FENCE_EVERY, Math.min(count, after * FENCE_EVERY)];
}

/** The hash at `at` against `hash`: negative, zero or positive. */
export function compareHash(words: Uint32Array, at: number, { hi, lo }: IdHash): number {
  return words[at]! - hi || words[at + 1]! - lo;
}
