import { assert } from "../base/assert.ts";
import { randomInteger, seededRandom } from "../base/random.ts";
import { Centroids } from "../kernel/centroids.ts";
import type { Metric } from "../kernel/metric.ts";
import { BLOCK_VECTORS, RowCodes } from "../kernel/row-codes.ts";

/** Vectors to be gathered, one after the other. */
export interface ClusteringOptions {
  readonly vectors: Float32Array;
  readonly dimension: number;
  readonly metric: Metric;
  /** At least the norm of the longest vector; for `dot` only. */
  readonly normMax?: number | undefined;
  /** Decides the first centroids and the rotation. */
  readonly seed: number;
}

/** A clustering to find. */
export interface TrainOptions extends ClusteringOptions {
  readonly count: number;
}

/** A clustering to use. */
export interface AssignOptions extends ClusteringOptions {
  /** Rotated, as `trainCentroids` returns them. */
  readonly centroids: Float32Array;
}

/** Later ones move little. */
const ROUNDS = 8;

/**
 * Centroids by Lloyd's algorithm, in the rotation of the seed: `codes.length` floats each. One that
 * nobody is near to takes half of the fullest cluster. Costs 8 * vectors * count distances.
 */
export function trainCentroids(options: TrainOptions): Float32Array {
  const { count, seed } = options;
  const codes = codesFor(options);
  const { length } = codes;
  const vectors = rotateAll(codes, options);
  const total = vectors.length / length;
  assert(count >= 1 && count <= total, () => `${count} clusters of ${total} vectors`);
  const at = (i: number): Float32Array => vectors.subarray(i * length, (i + 1) * length);
  const random = seededRandom(seed);
  let places = new Float32Array(count * length);
  for (const [i, row] of sample(random, total, count).entries()) places.set(at(row), i * length);
  const centroids = new Centroids(codes, count);
  for (let round = 0; round < ROUNDS; round++) {
    const nearest = assignAll(centroids, places, vectors);
    places = means(vectors, nearest, { length, count });
    const sizes = sizesOf(nearest, count);
    for (let i = 0; i < count; i++) {
      if (sizes[i]! > 0) continue;
      const fullest = sizes.indexOf(Math.max(...sizes));
      const rows = [...nearest.keys()].filter((row) => nearest[row] === fullest);
      places.set(at(rows[randomInteger(random, rows.length)]!), i * length);
      sizes[i] = sizes[fullest]! >> 1;
      sizes[fullest]! -= sizes[i]!;
    }
  }
  return places;
}

/** The nearest centroid of each vector. Costs vectors * centroids distances. */
export function assignRows(options: AssignOptions): Uint32Array {
  const codes = codesFor(options);
  const { vectors, dimension, centroids: places } = options;
  const centroids = new Centroids(codes, places.length / codes.length);
  centroids.set(places);
  const count = vectors.length / dimension;
  const nearest = new Uint32Array(count);
  for (let start = 0; start < count; start += BLOCK_VECTORS) {
    const rows = Math.min(BLOCK_VECTORS, count - start);
    nearest.set(centroids.assign(codes.rotated(vectors, start, rows), rows).nearest, start);
  }
  return nearest;
}

function codesFor({ dimension, metric, normMax, seed }: ClusteringOptions): RowCodes {
  return new RowCodes({ rowCount: 0, dimension, metric, normMax, seed });
}

function rotateAll(codes: RowCodes, { vectors, dimension }: ClusteringOptions): Float32Array {
  const count = vectors.length / dimension;
  const rotated = new Float32Array(count * codes.length);
  for (let start = 0; start < count; start += BLOCK_VECTORS) {
    const rows = Math.min(BLOCK_VECTORS, count - start);
    const at = codes.rotated(vectors, start, rows) >> 2;
    rotated.set(codes.memory.floats.subarray(at, at + rows * codes.length), start * codes.length);
  }
  return rotated;
}

function assignAll(centroids: Centroids, places: Float32Array, vectors: Float32Array): Uint32Array {
  const { codes } = centroids;
  const { length, memory } = codes;
  centroids.set(places);
  const count = vectors.length / length;
  const nearest = new Uint32Array(count);
  for (let start = 0; start < count; start += BLOCK_VECTORS) {
    const rows = Math.min(BLOCK_VECTORS, count - start);
    const block = vectors.subarray(start * length, (start + rows) * length);
    memory.floats.set(block, codes.blockAddress >> 2);
    nearest.set(centroids.assign(codes.blockAddress, rows).nearest, start);
  }
  return nearest;
}

function means(
  vectors: Float32Array,
  nearest: Uint32Array,
  { length, count }: { readonly length: number; readonly count: number },
): Float32Array<ArrayBuffer> {
  const sums = new Float64Array(count * length);
  nearest.forEach((cluster, row) => {
    const [to, from] = [cluster * length, row * length];
    for (let i = 0; i < length; i++) sums[to + i]! += vectors[from + i]!;
  });
  const sizes = sizesOf(nearest, count);
  return Float32Array.from(sums, (sum, i) => sum / (sizes[Math.floor(i / length)]! || 1));
}

function sizesOf(nearest: Uint32Array, count: number): Uint32Array {
  const sizes = new Uint32Array(count);
  for (const cluster of nearest) sizes[cluster]!++;
  return sizes;
}

/** So many different numbers below a limit. */
function sample(random: { next(): number }, limit: number, count: number): Uint32Array {
  const numbers = Uint32Array.from({ length: limit }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    const other = i + randomInteger(random, limit - i);
    [numbers[i], numbers[other]] = [numbers[other]!, numbers[i]!];
  }
  return numbers.subarray(0, count);
}
