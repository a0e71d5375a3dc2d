import { assert } from "../base/assert.ts";
import { BrainyError, invalid } from "../base/errors.ts";
import { ArenaCore, arenaLayout, rowsLimit } from "./arena-core.ts";
import { ArenaSearch } from "./arena-search.ts";
import type { Metric } from "./metric.ts";
import { prepareQuery } from "./query.ts";

/** The shape of an arena, which never changes. */
export interface VectorArenaOptions {
  /** Components of every vector. */
  readonly dimension: number;
  /** Rows that the arena can ever hold: 4.1 bytes of address space each, set aside at once. */
  readonly rowsMax: number;
  /** Rows that it can hold at first. Default 0. */
  readonly rows?: number | undefined;
  /** Over shared memory, which worker threads can map. Default false. */
  readonly shared?: boolean | undefined;
}

/** A search for the k nearest rows. */
export interface BeginSearchOptions {
  readonly metric: Metric;
  /** As many components as the arena's dimension. Copied. */
  readonly query: Float32Array;
  /** How many rows to keep: at most 65,536. */
  readonly k: number;
}

/** A search for all rows within a distance. */
export interface BeginCollectOptions {
  readonly metric: Metric;
  readonly query: Float32Array;
  /** Every row at most so far away is kept, by float32 ordering distance. */
  readonly limit: number;
}

/**
 * Rows of float32 vectors in one WebAssembly memory, and exact arithmetic over them.
 *
 * Each arena has a memory of its own, which the garbage collector takes back with it. Rows are
 * numbered from 0; every row below `rowCapacity` can be read, and is zero until it is written.
 */
export class VectorArena {
  readonly #core: ArenaCore;

  constructor({ dimension, rowsMax, rows = 0, shared = false }: VectorArenaOptions) {
    if (!Number.isInteger(dimension) || dimension < 1) throw invalid(`dimension ${dimension}`);
    assert(Number.isInteger(rowsMax) && rowsMax >= rows && rows >= 0, "rowsMax and rows");
    if (rowsMax > rowsLimit(dimension)) {
      throw new BrainyError(
        "BRAINY_LIMIT",
        `${rowsMax} rows of ${dimension} components: at most ${rowsLimit(dimension)} fit one arena`,
      );
    }
    this.#core = new ArenaCore(arenaLayout(dimension, rowsMax), { rows, shared });
  }

  /** Most rows of a dimension that one arena can have: its memory ends at 4 GiB. */
  static rowsLimit(dimension: number): number {
    return rowsLimit(dimension);
  }

  get dimension(): number {
    return this.#core.layout.dimension;
  }

  /** Floats from one row to the next: the dimension, rounded up to a multiple of 4. */
  get stride(): number {
    return this.#core.layout.stride;
  }

  get rowsMax(): number {
    return this.#core.layout.rowsMax;
  }

  /** Rows that can be written now, without growth. */
  get rowCapacity(): number {
    return this.#core.rowCapacity;
  }

  /** At least the norm of the longest row; overwriting rows does not lower it. */
  get normMax(): number {
    return this.#core.normMax;
  }

  /** Room for `rows` rows or some more. Ends the life of views. `BRAINY_LIMIT` over `rowsMax`. */
  ensureRows(rows: number): void {
    this.#core.ensureRows(rows);
  }

  /** Copies a vector into a row. `BRAINY_INVALID_ARGUMENT` if it has a wrong length, NaN or ∞. */
  set(row: number, vector: Float32Array): void {
    const { layout, floats } = this.#core;
    if (vector.length !== layout.dimension) {
      throw invalid(`vector has ${vector.length} components, expected ${layout.dimension}`);
    }
    this.#assertRows(row, row + 1);
    const at = this.#core.rowAddress(row) / 4;
    floats.set(vector, at);
    floats.fill(0, at + layout.dimension, at + layout.stride);
    if (!this.finishRows(row, row + 1)) {
      floats.fill(0, at, at + layout.dimension);
      this.finishRows(row, row + 1);
      throw invalid("vector has a component that is not finite");
    }
  }

  /** The components of a row, in place: valid until the row is written or the arena grows. */
  view(row: number): Float32Array {
    this.#assertRows(row, row + 1);
    const at = this.#core.rowAddress(row) / 4;
    return this.#core.floats.subarray(at, at + this.dimension);
  }

  /** The components of a row, as a copy that the caller owns. */
  copy(row: number): Float32Array {
    return new Float32Array(this.view(row));
  }

  /**
   * The bytes of the rows `[start, end)`, padding included, in place, to be read from or written
   * to. The writer leaves zeros in the padding, and calls `finishRows` before any search.
   */
  rowBytes(start: number, end: number): Uint8Array {
    this.#assertRows(start, end);
    return this.#core.bytes.subarray(this.#core.rowAddress(start), this.#core.rowAddress(end));
  }

  /**
   * Completes rows that were written through `rowBytes`. Costs one pass over them.
   * False when one has a component that is not finite: such rows must not be searched.
   */
  finishRows(start: number, end: number): boolean {
    this.#assertRows(start, end);
    const { layout, kernel } = this.#core;
    const { vectors, inverseNorms, strideBytes } = layout;
    const greatest = kernel.exports.finishRows(vectors, inverseNorms, strideBytes, start, end);
    if (!Number.isFinite(greatest)) return false;
    this.#core.normMax = Math.max(this.#core.normMax, greatest);
    return true;
  }

  /** Begins a search for the k nearest rows. Several may be under way at a time. */
  beginSearch({ metric, query, k }: BeginSearchOptions): ArenaSearch {
    return this.#begin(metric, query, { best: k });
  }

  /** Begins a search for all rows within a distance; each call scans at most 65,536 rows. */
  beginCollect({ metric, query, limit }: BeginCollectOptions): ArenaSearch {
    return this.#begin(metric, query, { within: limit });
  }

  /** Float32 ordering distances of a query to the rows listed, position by position. */
  distances(metric: Metric, query: Float32Array, rows: Uint32Array): Float32Array {
    const search = this.#begin(metric, query, { best: 1 });
    const found = search.distances(rows);
    search.dispose();
    return found;
  }

  #begin(
    metric: Metric,
    query: Float32Array,
    keep: { readonly best: number } | { readonly within: number },
  ): ArenaSearch {
    const { dimension, stride } = this;
    const prepared = prepareQuery({ metric, query, dimension, stride });
    return new ArenaSearch(this.#core, { metric, query: prepared, keep });
  }

  #assertRows(start: number, end: number): void {
    assert(
      start >= 0 && start <= end && end <= this.#core.rowCapacity,
      () => `rows ${start} to ${end} of ${this.#core.rowCapacity}`,
    );
  }
}
