import { assert } from "../base/assert.ts";
import { CLUSTERS_FIELDS, placeFields } from "./code-fields.ts";
import { BLOCK_VECTORS, type RowCodes } from "./row-codes.ts";

/** Which centroid is nearest to each of some vectors, and how far it is less |vector|². */
export interface Assigned {
  readonly nearest: Uint32Array;
  readonly distances: Float32Array;
}

/** Points that rows gather around, by squared distance; they may move. */
export class Centroids {
  readonly codes: RowCodes;
  readonly count: number;
  readonly #clusters: number;
  readonly #values: Readonly<Record<keyof typeof CLUSTERS_FIELDS, number>>;
  readonly #nearest: number;
  readonly #distances: number;

  constructor(codes: RowCodes, count: number) {
    const { memory, length } = codes;
    this.codes = codes;
    this.count = count;
    const padded = Math.ceil(count / 4) * 4;
    this.#values = {
      ...codes.values,
      count: padded,
      centroids: memory.take(padded * length * 4),
      centroidNorms: memory.take(padded * 4),
      rowStarts: 0,
      blockStarts: 0,
      blocks: 0,
      blockBytes: 0,
    };
    this.#clusters = placeFields(memory, CLUSTERS_FIELDS, this.#values);
    this.#nearest = memory.take(BLOCK_VECTORS * 4);
    this.#distances = memory.take((BLOCK_VECTORS + 4) * 4);
  }

  /** Moves them: `codes.length` floats each, rotated. */
  set(centroids: Float32Array): void {
    const { count } = this;
    const { length, memory } = this.codes;
    assert(centroids.length === count * length, "a place for each centroid");
    const { floats } = memory;
    floats.set(centroids, this.#values.centroids >> 2);
    const at = this.#values.centroidNorms >> 2;
    floats.fill(Infinity, at, at + Math.ceil(count / 4) * 4);
    for (let i = 0; i < count; i++) {
      const centroid = centroids.subarray(i * length, (i + 1) * length);
      floats[at + i] = centroid.reduce((sum, x) => sum + x * x, 0);
    }
  }

  /** Of up to 64 rotated vectors at an address of the codes' memory. */
  assign(address: number, count: number): Assigned {
    assert(count <= BLOCK_VECTORS, () => `${count} vectors at once`);
    const { memory } = this.codes;
    memory.exports.assignClusters(this.#clusters, address, count, this.#nearest, this.#distances);
    const [nearest, distances] = [this.#nearest >> 2, this.#distances >> 2];
    return {
      nearest: memory.words.slice(nearest, nearest + count),
      distances: memory.floats.slice(distances, distances + count),
    };
  }
}
