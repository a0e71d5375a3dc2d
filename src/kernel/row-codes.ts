import { assert } from "../base/assert.ts";
import { BrainyError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import type { RowDistances } from "./arena-search.ts";
import { CODES_FIELDS, PROBE_BYTES, placeFields, type SEARCH_FIELDS } from "./code-fields.ts";
import { IndexMemory } from "./index-memory.ts";
import type { Metric } from "./metric.ts";
import { norm } from "./oracle.ts";
import type { Rotation } from "./quantise.ts";

/** What codes are made of. Rows are numbered from 0 to `rowCount`, and never change. */
export interface RowCodesOptions {
  readonly rowCount: number;
  /** Components of every vector. */
  readonly dimension: number;
  readonly metric: Metric;
  /** At least the norm of the longest row; for `dot` only, which turns all into one length. */
  readonly normMax?: number | undefined;
  /** Decides the rotation, and all else that is drawn for an index over these rows. Default 1. */
  readonly seed?: number | undefined;
}

/** Where one search keeps its query and what it finds. */
export type SearchScratch = Readonly<Record<keyof typeof SEARCH_FIELDS, number>>;

/** Entries that the widest search keeps. */
export const WIDTH_MAX = 4_096;
/** Vectors that one call of the kernel takes. */
export const BLOCK_VECTORS = 64;
/** Rounds of a rotation: kernel/assembly/rotation.ts. */
const ROUNDS = 4;
/** Norms outside have squares that float32 does not hold well. */
const NORM_MIN = 2 ** -60;
const NORM_MAX = 2 ** 60;

/**
 * Rows as int8 codes, in the memory of an index: rotated, so that one scale a row loses little.
 * `RowGraph` and `RowClusters` are the ways to search them.
 *
 * Memory: for each row the dimension, rounded up to 16, and 4 bytes, or 8 for `euclidean`.
 */
export class RowCodes {
  readonly memory = new IndexMemory();
  readonly rowCount: number;
  readonly dimension: number;
  readonly metric: Metric;
  readonly seed: number;
  /** Components of a code: the dimension, rounded up to a multiple of 16. */
  readonly length: number;
  readonly #normMax: number;
  readonly #window: number;
  readonly #values: Readonly<Record<keyof typeof CODES_FIELDS, number>>;
  readonly #address: number;
  readonly #vectors: number;
  #encodedCount = 0;

  constructor(options: RowCodesOptions) {
    const { rowCount, dimension, metric, normMax = 1, seed = 1 } = options;
    assert(Number.isInteger(rowCount) && rowCount >= 0, () => `${rowCount} rows`);
    this.rowCount = rowCount;
    this.dimension = dimension;
    this.metric = metric;
    this.seed = seed;
    // One component more makes all rows as long as the longest: then the nearest is the one with
    // the greatest product (Bachrach and others, RecSys 2014, section 3.1).
    this.length = Math.ceil((metric === "dot" ? dimension + 1 : dimension) / 16) * 16;
    this.#normMax = normMax;
    this.#window = 2 ** Math.floor(Math.log2(this.length));
    const { memory, length } = this;
    if (!memory.hasRoom(rowCount * (length + 8))) {
      throw new BrainyError(
        "BRAINY_LIMIT",
        `${rowCount} rows of ${dimension} components are more than one memory of 4 GiB holds`,
      );
    }
    this.#values = {
      rowCount,
      length,
      stride: length,
      // What four rows at a time read behind the last is there as well.
      codes: memory.take(rowCount * length),
      scales: memory.take(rowCount * 4),
      norms: metric === "euclidean" ? memory.take((rowCount + 32) * 4) : 0,
      window: this.#window,
      signs: memory.take(ROUNDS * length * 4),
    };
    this.#address = placeFields(memory, CODES_FIELDS, this.#values);
    this.#vectors = memory.take(BLOCK_VECTORS * length * 4);
    memory.floats.set(this.rotation.signs, this.#values.signs >> 2);
  }

  /** Whether float32 can tell vectors of this length apart, once they are squared. */
  static holds(length: number): boolean {
    return length === 0 || (length >= NORM_MIN && length <= NORM_MAX);
  }

  /** Rows that have a code. */
  get encodedCount(): number {
    return this.#encodedCount;
  }

  /** Where `rotated` leaves its vectors: room for 64. */
  get blockAddress(): number {
    return this.#vectors;
  }

  /** The fields that every block of the kernel begins with which is about these codes. */
  get values(): Readonly<Record<keyof typeof CODES_FIELDS, number>> {
    return this.#values;
  }

  /** The rotation that all vectors go through. */
  get rotation(): Rotation {
    const { length, seed } = this;
    const random = seededRandom(seed ^ 0x5f37_59df);
    const signs = new Float32Array(ROUNDS * length);
    const shrink = 1 / Math.sqrt(this.#window);
    for (let round = 0; round < ROUNDS; round++) {
      const first = round % 2 === 0 ? 0 : length - this.#window;
      for (let i = 0; i < length; i++) {
        const isInside = i >= first && i < first + this.#window;
        signs[round * length + i] = (random.next() < 0.5 ? -1 : 1) * (isInside ? shrink : 1);
      }
    }
    return { length, window: this.#window, signs };
  }

  /** The code of a row and its scale: the row, rotated, is about one times the other. */
  code(row: number): { readonly components: Int8Array; readonly scale: number } {
    assert(row < this.#encodedCount, () => `row ${row} of ${this.#encodedCount}`);
    const { codes, scales, stride } = this.#values;
    const start = codes + row * stride;
    const components = new Int8Array(this.memory.bytes.slice(start, start + this.length).buffer);
    return { components, scale: this.memory.floats[(scales >> 2) + row]! };
  }

  /** Encodes the next vectors, laid out one after the other. */
  encode(vectors: Float32Array): void {
    const count = vectors.length / this.dimension;
    assert(Number.isInteger(count), "a part of a vector");
    assert(this.#encodedCount + count <= this.rowCount, "more vectors than rows");
    const isUnit = this.metric === "cosine" ? 1 : 0;
    for (let start = 0; start < count; start += BLOCK_VECTORS) {
      const rows = Math.min(BLOCK_VECTORS, count - start);
      const address = this.#place(vectors, start, rows, false);
      const { exports } = this.memory;
      exports.encodeRows(this.#address, address, this.#encodedCount, rows, isUnit);
      this.#encodedCount += rows;
    }
  }

  /**
   * Rotates up to 64 vectors, as rows are before they are encoded, of length 1 for `cosine`.
   * Returns the address of the first; they stay there until the next call.
   */
  rotated(vectors: Float32Array, start: number, count: number): number {
    const address = this.#place(vectors, start, count, this.metric === "cosine");
    this.memory.exports.rotateRows(this.#address, address, count);
    return address;
  }

  /** Room for a search, as wide as it may be. */
  newScratch(): SearchScratch {
    const { memory, length } = this;
    const [vector, entries] = [memory.take(length * 4), memory.take((WIDTH_MAX + 1) * 8)];
    return { vector, entries, query: this.newProbe(), distanceCount: 0 };
  }

  /** Room for a vector in the form that codes are compared with. */
  newProbe(): number {
    const { memory, length } = this;
    // All is taken before anything is written: views end when the memory grows.
    const [probe, components] = [memory.take(PROBE_BYTES), memory.take(length * 2)];
    memory.words[probe >> 2] = components;
    return probe;
  }

  /** Makes a vector the query of a search. */
  setQuery(
    query: Float32Array,
    search: { readonly address: number; readonly vector: number },
  ): void {
    assert(query.length === this.dimension, () => `${query.length} components`);
    const { floats, exports } = this.memory;
    const at = search.vector >> 2;
    floats.set(query, at);
    floats.fill(0, at + query.length, at + this.length);
    exports.quantiseQuery(this.#address, search.address);
  }

  /** What a search has found: best first. */
  results({ entries }: SearchScratch, size: number): RowDistances {
    const { floats, words } = this.memory;
    const rows = new Uint32Array(size);
    const distances = new Float32Array(size);
    for (let i = 0, at = entries >> 2; i < size; i++, at += 2) {
      distances[i] = floats[at]!;
      rows[i] = words[at + 1]!;
    }
    return { rows, distances };
  }

  /** Vectors as the metric wants them, padded to the length of codes. */
  #place(vectors: Float32Array, start: number, count: number, isUnit: boolean): number {
    const { dimension, length, metric } = this;
    const { floats } = this.memory;
    for (let i = 0; i < count; i++) {
      const vector = vectors.subarray((start + i) * dimension, (start + i + 1) * dimension);
      const at = (this.#vectors >> 2) + i * length;
      floats.set(vector, at);
      floats.fill(0, at + dimension, at + length);
      if (isUnit) {
        const inverse = 1 / (norm(vector) || 1);
        for (let j = at; j < at + dimension; j++) floats[j]! *= inverse;
      } else if (metric === "dot") {
        floats[at + dimension] = Math.sqrt(Math.max(0, this.#normMax ** 2 - norm(vector) ** 2));
      }
    }
    return this.#vectors;
  }
}
