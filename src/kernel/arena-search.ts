import { assert } from "../base/assert.ts";
import type { ArenaCore, Resident } from "./arena-core.ts";
import { ENTRIES_MAX, GATHER_ROWS_MAX, TASK } from "./arena-core.ts";
import type { Metric } from "./metric.ts";
import { METRICS } from "./metric.ts";
import type { PreparedQuery } from "./query.ts";

/** Rows and their float32 ordering distances, position by position. */
export interface RowDistances {
  readonly rows: Uint32Array;
  readonly distances: Float32Array;
}

/** The rows of one call: `[start, end)`, of which those take part whose bit is set in `mask`. */
export interface ScanRange {
  readonly start: number;
  readonly end: number;
  /** Bit `row & 7` of byte `row >> 3`, for rows counted from 0, whatever `start` is. */
  readonly mask?: Uint8Array | undefined;
}

/** What is kept: the `best` so many, or all `within` a distance. */
export type Keep = { readonly best: number } | { readonly within: number };

/** What a search is begun with. */
export interface ArenaSearchOptions {
  readonly metric: Metric;
  readonly query: PreparedQuery;
  readonly keep: Keep;
}

const BEST = 0;
const WITHIN = 1;

/**
 * One search over the rows of an arena, in as many calls as its caller likes.
 *
 * The arena has scratch for one search. A search whose turn comes moves the other's state out and
 * its own in, so that any number may be under way, at a copy of the query and the heap for each
 * change of turn. Nothing needs to be released: `dispose` only saves that copy.
 */
export class ArenaSearch implements Resident {
  readonly #core: ArenaCore;
  readonly #metric: Metric;
  readonly #query: PreparedQuery;
  readonly #keep: Keep;
  /** Entries while another search has the scratch. */
  #entries: Uint8Array | undefined;
  #finished: RowDistances | undefined;

  constructor(core: ArenaCore, { metric, query, keep }: ArenaSearchOptions) {
    if ("best" in keep) {
      assert(Number.isInteger(keep.best) && keep.best > 0, "k is not a positive integer");
      assert(keep.best <= ENTRIES_MAX, () => `k of ${keep.best} is over ${ENTRIES_MAX}`);
    }
    this.#core = core;
    this.#metric = metric;
    this.#query = query;
    this.#keep = keep;
  }

  /** Scans rows that were not scanned before. Of equal distances the lower row is kept. */
  scanRange({ start, end, mask }: ScanRange): void {
    assert(this.#finished === undefined, "a finished search scans");
    const core = this.#core;
    assert(start >= 0 && start <= end && end <= core.rowCapacity, () => `rows ${start} to ${end}`);
    if (start === end) return;
    this.#enter();
    if ("within" in this.#keep) {
      const listed = core.words[(core.layout.task + TASK.size) >> 2]!;
      assert(listed + end - start <= ENTRIES_MAX, "more rows than the list has room for");
    }
    if (mask !== undefined) {
      assert(mask.byteLength * 8 >= end, "the mask is shorter than the range");
      const first = start >> 3;
      core.bytes.set(mask.subarray(first, (end + 7) >> 3), core.layout.mask + first);
    }
    core.words[(core.layout.task + TASK.mask) >> 2] = mask === undefined ? 0 : core.layout.mask;
    core.kernel.exports.scan(core.layout.task, start, end);
  }

  /**
   * Of a search for the best: those, in order, and the search is over. Of a search within a
   * distance: the rows of the calls since the last look, in no order that is promised.
   */
  results(): RowDistances {
    if (this.#finished !== undefined) return this.#finished;
    this.#enter();
    const { layout, kernel, words, floats } = this.#core;
    const size = words[(layout.task + TASK.size) >> 2]!;
    if ("best" in this.#keep) kernel.exports.sortEntries(layout.entries, size);
    const rows = new Uint32Array(size);
    const distances = new Float32Array(size);
    const first = layout.entries >> 2;
    for (let i = 0; i < size; i++) {
      distances[i] = floats[first + 2 * i]!;
      rows[i] = words[first + 2 * i + 1]!;
    }
    words[(layout.task + TASK.size) >> 2] = 0;
    const found = { rows, distances };
    if ("best" in this.#keep) {
      this.#finished = found;
      this.dispose();
    }
    return found;
  }

  /** Float32 ordering distances of the query to the rows listed, position by position. */
  distances(rows: Uint32Array): Float32Array {
    const core = this.#core;
    for (const row of rows) assert(row < core.rowCapacity, () => `row ${row}`);
    this.#enter();
    const found = new Float32Array(rows.length);
    const { task, gatherRows, gatherDistances } = core.layout;
    for (let start = 0; start < rows.length; start += GATHER_ROWS_MAX) {
      const part = rows.subarray(start, start + GATHER_ROWS_MAX);
      core.words.set(part, gatherRows >> 2);
      core.kernel.exports.gather(task, gatherRows, part.length, gatherDistances);
      const at = gatherDistances >> 2;
      found.set(core.floats.subarray(at, at + part.length), start);
    }
    return found;
  }

  /** Says that the search will not go on. Optional. */
  dispose(): void {
    if (this.#core.resident === this) this.#core.resident = undefined;
    this.#entries = undefined;
  }

  /** Moves the state out of the scratch. For the arena's use. */
  evict(): void {
    const { layout, words, bytes } = this.#core;
    const size = words[(layout.task + TASK.size) >> 2]!;
    this.#entries = bytes.slice(layout.entries, layout.entries + size * 8);
    this.#core.resident = undefined;
  }

  /** Moves the state into the scratch. */
  #enter(): void {
    const core = this.#core;
    if (core.resident === this) return;
    core.resident?.evict();
    core.resident = this;
    const { layout, words, floats } = core;
    const task = layout.task >> 2;
    const best = "best" in this.#keep;
    words[task + TASK.metric / 4] = METRICS.indexOf(this.#metric);
    words[task + TASK.mode / 4] = best ? BEST : WITHIN;
    words[task + TASK.strideBytes / 4] = layout.strideBytes;
    words[task + TASK.capacity / 4] = "best" in this.#keep ? this.#keep.best : ENTRIES_MAX;
    words[task + TASK.size / 4] = (this.#entries?.byteLength ?? 0) / 8;
    floats[task + TASK.limit / 4] = "within" in this.#keep ? this.#keep.within : Infinity;
    floats[task + TASK.queryInverse / 4] = this.#query.inverse;
    words[task + TASK.query / 4] = layout.query;
    words[task + TASK.vectors / 4] = layout.vectors;
    words[task + TASK.inverseNorms / 4] = layout.inverseNorms;
    words[task + TASK.mask / 4] = 0;
    words[task + TASK.entries / 4] = layout.entries;
    floats.set(this.#query.components, layout.query >> 2);
    if (this.#entries !== undefined) core.bytes.set(this.#entries, layout.entries);
    this.#entries = undefined;
  }
}
