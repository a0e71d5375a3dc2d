import { assert } from "../base/assert.ts";
import type { RowDistances } from "./arena-search.ts";
import { CLUSTERS_FIELDS, SWEEP_FIELDS, placeFields } from "./code-fields.ts";
import type { SignCode } from "./quantise.ts";
import { WIDTH_MAX, type RowCodes } from "./row-codes.ts";

/** Clusters of rows that are numbered in their order. */
export interface RowClustersOptions {
  readonly codes: RowCodes;
  /** `codes.length` floats each, rotated. */
  readonly centroids: Float32Array;
  /** How many rows each has; their sum is the number of rows. */
  readonly sizes: Uint32Array;
}

/** How far a search of clusters goes. */
export interface SweepOptions {
  readonly query: Float32Array;
  /** Clusters that are looked at, the nearest first. */
  readonly probes: number;
  /** Rows that are kept: at least k. */
  readonly width: number;
  /** A row is compared by its code when it may be nearer than the k-th that was found so far. */
  readonly k: number;
  /**
   * By how many standard deviations a row may be nearer than estimated. Default 1.9, as in the
   * paper (section 3.2.2); only rows about as far as the k-th are lost to it.
   */
  readonly epsilon?: number | undefined;
  /** Rows that take part: bit `row & 7` of byte `row >> 3`. All do when it is absent. */
  readonly mask?: Uint8Array | undefined;
}

/** What was found, and what that took. */
export interface Swept extends RowDistances {
  readonly probed: number;
}

/** Rows whose signs are summed at once. */
const BLOCK_ROWS = 32;

/**
 * Coded rows in clusters, with one bit a component: which rows may be near is estimated from the
 * bits, with a known error, at about 3 ns a row; those are then compared by their codes (RaBitQ,
 * arXiv 2405.12497).
 *
 * Memory: for each row length / 8 + 8 bytes, blocks of 32 rows being filled up for each cluster;
 * for each cluster 4 * length bytes.
 */
export class RowClusters {
  readonly codes: RowCodes;
  readonly count: number;
  readonly rowStarts: Uint32Array;
  readonly #clusters: number;
  readonly #sweep: Readonly<Record<keyof typeof SWEEP_FIELDS, number>> & {
    readonly address: number;
  };
  readonly #blockStarts: Uint32Array;
  readonly #blocks: number;
  #mask: number | undefined;

  constructor({ codes, centroids, sizes }: RowClustersOptions) {
    const { memory, length, rowCount, metric } = codes;
    this.codes = codes;
    this.count = sizes.length;
    assert(centroids.length === this.count * length, "a centroid for each cluster");
    this.rowStarts = new Uint32Array(this.count + 1);
    this.#blockStarts = new Uint32Array(this.count + 1);
    sizes.forEach((size, i) => {
      this.rowStarts[i + 1] = this.rowStarts[i]! + size;
      this.#blockStarts[i + 1] = this.#blockStarts[i]! + Math.ceil(size / BLOCK_ROWS);
    });
    assert(this.rowStarts[this.count] === rowCount, "every row is in a cluster");
    const padded = Math.ceil(this.count / 4) * 4;
    const values = {
      ...codes.values,
      count: padded,
      centroids: memory.take(padded * length * 4),
      centroidNorms: memory.take(padded * 4),
      rowStarts: memory.take((this.count + 1) * 4),
      blockStarts: memory.take((this.count + 1) * 4),
      blocks: memory.take(this.#blockStarts[this.count]! * blockBytes(length)),
      blockBytes: blockBytes(length),
    };
    this.#blocks = values.blocks;
    this.#clusters = placeFields(memory, CLUSTERS_FIELDS, values);
    this.#sweep = this.#newSweep(padded);
    const { floats, words } = memory;
    floats.set(centroids, values.centroids >> 2);
    floats.set(
      norms(centroids, this.count, padded, metric === "euclidean"),
      values.centroidNorms >> 2,
    );
    words.set(this.rowStarts, values.rowStarts >> 2);
    words.set(this.#blockStarts, values.blockStarts >> 2);
  }

  /** Writes the bits of a cluster, whose vectors are laid out one after the other. */
  encode(cluster: number, vectors: Float32Array): void {
    const size = this.rowStarts[cluster + 1]! - this.rowStarts[cluster]!;
    const { dimension, memory } = this.codes;
    assert(vectors.length === size * dimension, "the vectors of a cluster");
    const first = this.#blockStarts[cluster]!;
    for (let start = 0; start < size; start += BLOCK_ROWS) {
      const count = Math.min(BLOCK_ROWS, size - start);
      const address = this.codes.rotated(vectors, start, count);
      const block = first + start / BLOCK_ROWS;
      memory.exports.encodeBlock(this.#clusters, cluster, block, address, count);
    }
  }

  /** What is known of a row by its bits. */
  bits(row: number): SignCode {
    const { memory, length } = this.codes;
    const cluster = this.rowStarts.findIndex(
      (start, i) => row >= start && row < this.rowStarts[i + 1]!,
    );
    const place = row - this.rowStarts[cluster]!;
    const lane = place % BLOCK_ROWS;
    const block = this.#blockStarts[cluster]! + Math.floor(place / BLOCK_ROWS);
    const at = this.#blocks + block * blockBytes(length);
    const signs = Array.from({ length }, (_, i) => {
      const byte = memory.bytes[at + (i >> 2) * 16 + (lane & 15)]!;
      return (byte & (1 << ((i & 3) + (lane < 16 ? 0 : 4)))) !== 0;
    });
    const factor = ((at + length * 4) >> 2) + lane;
    const { floats } = memory;
    return { signs, factor: floats[factor]!, error: floats[factor + BLOCK_ROWS]! };
  }

  /** The best rows of the nearest clusters, with estimated distances, best first. */
  search({ query, probes, width, k, epsilon = 1.9, mask }: SweepOptions): Swept {
    assert(width >= k && width <= WIDTH_MAX, () => `a width of ${width}`);
    const { codes } = this;
    const { exports } = codes.memory;
    const { address } = this.#sweep;
    codes.setQuery(query, this.#sweep);
    exports.prepareSweep(this.#clusters, address);
    const probed = exports.probeClusters(this.#clusters, address, Math.min(probes, this.count));
    const maskAt = mask === undefined ? 0 : this.#setMask(mask);
    const size = exports.sweepClusters(
      this.#clusters,
      address,
      0,
      probed,
      0,
      width,
      k,
      epsilon,
      maskAt,
    );
    return { ...codes.results(this.#sweep, size), probed };
  }

  /** Rows that searches compared by their codes since the last call. */
  takeDistanceCount(): number {
    const { words } = this.codes.memory;
    const at = (this.#sweep.address + SWEEP_FIELDS.distanceCount) >> 2;
    const count = words[at]!;
    words[at] = 0;
    return count;
  }

  #setMask(mask: Uint8Array): number {
    const { memory, rowCount } = this.codes;
    // The kernel reads eight bytes at a time.
    this.#mask ??= memory.take(Math.ceil(rowCount / 8) + 8);
    memory.bytes.set(mask.subarray(0, Math.ceil(rowCount / 8)), this.#mask);
    return this.#mask;
  }

  #newSweep(padded: number) {
    const { memory, length } = this.codes;
    const values = {
      ...this.codes.newScratch(),
      table: memory.take(length * 4),
      probes: memory.take((padded + 1) * 8),
      sums: memory.take(BLOCK_ROWS * 4),
      list: memory.take((BLOCK_ROWS + 4) * 4),
    };
    return { ...values, address: placeFields(memory, SWEEP_FIELDS, values) };
  }
}

/** Signs, four rows a byte and four components a group, and two floats a row. */
function blockBytes(length: number): number {
  return length * 4 + 2 * BLOCK_ROWS * 4;
}

/** What orders centroids beside their products: nothing, where all rows are of one length. */
function norms(
  centroids: Float32Array,
  count: number,
  padded: number,
  hasNorms: boolean,
): Float32Array {
  const length = centroids.length / count;
  return Float32Array.from({ length: padded }, (_, i) => {
    if (i >= count) return Infinity;
    if (!hasNorms) return 0;
    const centroid = centroids.subarray(i * length, (i + 1) * length);
    return centroid.reduce((sum, x) => sum + x * x, 0);
  });
}
