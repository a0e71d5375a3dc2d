import { assert } from "../base/assert.ts";
import type { RowDistances } from "./arena-search.ts";
import {
  ENCODE_ROWS,
  GRAPH,
  LOCK_MASK,
  NONE,
  WALK,
  WIDTH_MAX,
  graphLayout,
  rotationSigns,
  type GraphLayout,
} from "./graph-layout.ts";
import { createKernel, type Kernel } from "./kernel.ts";
import type { Metric } from "./metric.ts";
import { norm } from "./oracle.ts";
import type { Rotation } from "./quantise.ts";

/** What a graph is made for. Rows are numbered from 0 to `rowCount`, and never change. */
export interface RowGraphOptions {
  readonly rowCount: number;
  /** Components of every vector. */
  readonly dimension: number;
  readonly metric: Metric;
  /** Links of a row on upper levels, twice as many on level 0: `M` of the paper. Default 16. */
  readonly degree?: number | undefined;
  /** At least the norm of the longest row; for `dot` only, which turns all into one length. */
  readonly normMax?: number | undefined;
  /** Decides the levels of rows and the rotation. Default 1. */
  readonly seed?: number | undefined;
}

/** Which rows to add, and how thoroughly. */
export interface AddRowsOptions {
  readonly start: number;
  readonly end: number;
  /** Rows among which the links of each are chosen: `efConstruction` of the paper. */
  readonly width: number;
}

/** Norms outside have squares that float32 does not hold well. */
const NORM_MIN = 2 ** -60;
const NORM_MAX = 2 ** 60;

/**
 * A graph over rows of int8 codes, in a memory of its own: hierarchical navigable small worlds
 * (Malkov and Yashunin, arXiv 1603.09320). A rotation makes components alike, so that one scale a
 * row loses little.
 *
 * Memory: for each row the dimension, rounded up to 16, 8 * degree bytes of links, 9 to 13 bytes
 * beside them, and about 5 for upper levels. 384 components and degree 16 take 526 bytes.
 */
export class RowGraph {
  readonly metric: Metric;
  readonly dimension: number;
  readonly #layout: GraphLayout;
  readonly #kernel: Kernel;
  readonly #normMax: number;
  readonly #floats: Float32Array;
  readonly #words: Uint32Array;
  #encodedCount = 0;
  #addedCount = 0;

  constructor(options: RowGraphOptions) {
    const { rowCount, dimension, metric, degree = 16, normMax = 1, seed = 1 } = options;
    assert(Number.isInteger(rowCount) && rowCount >= 0, () => `${rowCount} rows`);
    assert(degree >= 2 && degree <= 64 && degree % 2 === 0, () => `a degree of ${degree}`);
    this.metric = metric;
    this.dimension = dimension;
    this.#normMax = normMax;
    this.#layout = graphLayout({
      rowCount,
      // One component more makes all rows as long as the longest: then the nearest is the one with
      // the greatest product (Bachrach and others, RecSys 2014, section 3.1).
      dimension: metric === "dot" ? dimension + 1 : dimension,
      degree,
      hasNorms: metric === "euclidean",
      seed,
      walks: 1,
    });
    const { pages } = this.#layout;
    this.#kernel = createKernel({ pages, pagesMax: pages, shared: false });
    this.#floats = new Float32Array(this.#kernel.memory.buffer);
    this.#words = new Uint32Array(this.#kernel.memory.buffer);
    this.#lay();
  }

  /** Whether float32 can tell rows of this length apart, once they are squared. */
  static holds(length: number): boolean {
    return length === 0 || (length >= NORM_MIN && length <= NORM_MAX);
  }

  get rowCount(): number {
    return this.#layout.shape.rowCount;
  }

  /** Rows that were added: these are what a search finds. */
  get addedCount(): number {
    return this.#addedCount;
  }

  /** Bytes of memory. */
  get bytes(): number {
    return this.#kernel.memory.buffer.byteLength;
  }

  /** Encodes the next vectors, laid out one after the other. */
  encode(vectors: Float32Array): void {
    const { dimension } = this;
    const count = vectors.length / dimension;
    assert(Number.isInteger(count), "a part of a vector");
    assert(this.#encodedCount + count <= this.rowCount, "more vectors than rows");
    for (let start = 0; start < count; start += ENCODE_ROWS) {
      const rows = Math.min(ENCODE_ROWS, count - start);
      const block = vectors.subarray(start * dimension, (start + rows) * dimension);
      this.#encodeBlock(block, rows);
    }
  }

  /** Adds rows in order; they must be encoded, and those before them added. */
  addRows({ start, end, width }: AddRowsOptions): void {
    assert(start === this.#addedCount && start <= end, "rows are added in order");
    assert(end <= this.#encodedCount, "a row without a code");
    assert(width >= 1 && width <= WIDTH_MAX, () => `a width of ${width}`);
    const { graph, walks } = this.#layout;
    this.#kernel.exports.addRows(graph, walks[0]!.walk, start, end, 1, width);
    this.#addedCount = end;
  }

  /**
   * The best rows that a walk of this width finds, best first, with estimated distances: what
   * orders them is right up to the rounding of codes, what they are means nothing else.
   */
  search(query: Float32Array, width: number): RowDistances {
    assert(query.length === this.dimension, () => `${query.length} components`);
    assert(width >= 1 && width <= WIDTH_MAX, () => `a width of ${width}`);
    const { graph, walks, length } = this.#layout;
    const { walk, vector, entries } = walks[0]!;
    const floats = this.#floats;
    floats.set(query, vector >> 2);
    floats.fill(0, (vector >> 2) + query.length, (vector >> 2) + length);
    this.#kernel.exports.quantiseQuery(graph, walk);
    const size = this.#kernel.exports.searchGraph(graph, walk, width);
    const rows = new Uint32Array(size);
    const distances = new Float32Array(size);
    for (let i = 0, at = entries >> 2; i < size; i++, at += 2) {
      distances[i] = floats[at]!;
      rows[i] = this.#words[at + 1]!;
    }
    return { rows, distances };
  }

  /** The code of a row and its scale: the row, rotated, is about one times the other. */
  code(row: number): { readonly components: Int8Array; readonly scale: number } {
    assert(row < this.#encodedCount, () => `row ${row} of ${this.#encodedCount}`);
    const { parts, stride, length } = this.#layout;
    const start = parts.codes.start + row * stride;
    const components = new Int8Array(this.#words.buffer).slice(start, start + length);
    return { components, scale: this.#floats[(parts.scales.start >> 2) + row]! };
  }

  /** The rotation that all vectors go through. */
  get rotation(): Rotation {
    const { length, window } = this.#layout;
    return { length, window, signs: rotationSigns(this.#layout) };
  }

  /** Distances that all searches and additions computed since the last call. */
  takeDistanceCount(): number {
    const at = (this.#layout.walks[0]!.walk + WALK.distanceCount) >> 2;
    const count = this.#words[at]!;
    this.#words[at] = 0;
    return count;
  }

  #encodeBlock(block: Float32Array, rows: number): void {
    const { dimension, metric } = this;
    const { graph, vectors, length } = this.#layout;
    for (let i = 0; i < rows; i++) {
      const vector = block.subarray(i * dimension, (i + 1) * dimension);
      const at = (vectors >> 2) + i * length;
      this.#floats.set(vector, at);
      this.#floats.fill(0, at + dimension, at + length);
      if (metric !== "dot") continue;
      const rest = this.#normMax ** 2 - norm(vector) ** 2;
      this.#floats[at + dimension] = Math.sqrt(Math.max(0, rest));
    }
    const isUnit = metric === "cosine" ? 1 : 0;
    this.#kernel.exports.encodeRows(graph, vectors, this.#encodedCount, rows, isUnit);
    this.#encodedCount += rows;
  }

  /** Writes everything that has no rows yet. */
  #lay(): void {
    const { shape, parts, levels, walks } = this.#layout;
    const words = this.#words;
    this.#layGraph();
    for (const layout of walks) {
      const { walk, query, other } = layout;
      for (const [field, offset] of Object.entries(WALK)) {
        if (field !== "distanceCount") {
          words[(walk + offset) >> 2] =
            layout[field as Exclude<keyof typeof WALK, "distanceCount">];
        }
      }
      words[query >> 2] = layout.queryComponents;
      words[other >> 2] = layout.otherComponents;
    }
    this.#floats.set(rotationSigns(this.#layout), this.#layout.signs >> 2);
    new Uint8Array(words.buffer).set(levels, parts.levels.start);
    words.fill(NONE, parts.links.start >> 2, (parts.links.start + parts.links.bytes) >> 2);
    words.fill(NONE, parts.upper.start >> 2, (parts.upper.start + parts.upper.bytes) >> 2);
    let list = 0;
    for (let row = 0; row < shape.rowCount; row++) {
      words[(parts.upperStarts.start >> 2) + row] = list;
      list += levels[row]!;
    }
  }

  #layGraph(): void {
    const { shape, length, stride, window, graph, signs, locks, parts } = this.#layout;
    const fields: Readonly<Record<keyof typeof GRAPH, number>> = {
      rowCount: shape.rowCount,
      length,
      stride,
      degree: shape.degree,
      codes: parts.codes.start,
      scales: parts.scales.start,
      norms: shape.hasNorms ? parts.norms.start : 0,
      links: parts.links.start,
      upperStarts: parts.upperStarts.start,
      upper: parts.upper.start,
      levels: parts.levels.start,
      locks,
      lockMask: LOCK_MASK,
      topLock: 0,
      entry: NONE,
      topLevel: 0,
      window,
      signs,
    };
    for (const [field, value] of Object.entries(fields)) {
      this.#words[(graph + GRAPH[field as keyof typeof GRAPH]) >> 2] = value;
    }
  }
}
