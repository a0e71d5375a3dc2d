import { expect, test } from "vitest";
import { seededRandom, type Random } from "../base/random.ts";
import type { Metric } from "./metric.ts";
import { dot, norm } from "./oracle.ts";
import { rotate, signCode } from "./quantise.ts";
import { RowClusters } from "./row-clusters.ts";
import { RowCodes } from "./row-codes.ts";

const DIMENSIONS = [1, 3, 16, 17, 100, 384, 1_024, 1_040, 4_096];

function randomVector(random: Random, dimension: number): Float32Array {
  return Float32Array.from({ length: dimension }, () => random.next() * 2 - 1);
}

interface Built {
  readonly clusters: RowClusters;
  readonly vectors: readonly Float32Array[];
  readonly centroids: Float32Array;
}

/** Two clusters, one of which fills no block and one more than one. */
function build(dimension: number, metric: Metric, random: Random): Built {
  const sizes = Uint32Array.of(7, 33);
  const vectors = Array.from({ length: 40 }, () => randomVector(random, dimension));
  const codes = new RowCodes({
    rowCount: 40,
    dimension,
    metric,
    normMax: Math.max(...vectors.map(norm)),
  });
  for (const vector of vectors) codes.encode(vector);
  const centroids = new Float32Array(2 * codes.length);
  for (let i = 0; i < centroids.length; i++) centroids[i] = (random.next() - 0.5) * 0.2;
  const clusters = new RowClusters({ codes, centroids, sizes });
  const join = (rows: readonly Float32Array[]): Float32Array =>
    Float32Array.from(rows.flatMap((row) => [...row]));
  clusters.encode(0, join(vectors.slice(0, 7)));
  clusters.encode(1, join(vectors.slice(7)));
  return { clusters, vectors, centroids };
}

test("[K9] signs, factors and errors are those of the definition", () => {
  const random = seededRandom(1);
  for (const dimension of DIMENSIONS) {
    const { clusters, vectors, centroids } = build(dimension, "euclidean", random);
    const { rotation, length } = clusters.codes;
    vectors.forEach((vector, row) => {
      const first = row < 7 ? 0 : length;
      const residual = rotate(vector, rotation).map((x, i) => x - centroids[first + i]!);
      const found = clusters.bits(row);
      const defined = signCode(residual);
      expect(found.factor / defined.factor).toBeCloseTo(1, 4);
      expect(Math.abs(found.error - defined.error)).toBeLessThan(1e-4 * (1 + norm(vector)));
      // What is nearly zero has either sign.
      const differing = [...residual].filter(
        (x, i) => found.signs[i] !== defined.signs[i] && Math.abs(x) > 1e-5,
      );
      expect(differing).toEqual([]);
    });
  }
});

test("[K9] errors are standard deviations: 1.9 of them are exceeded by some 6 % of estimates", () => {
  const random = seededRandom(2);
  let far = 0;
  let count = 0;
  for (let round = 0; round < 40; round++) {
    const { clusters, vectors, centroids } = build(128, "euclidean", random);
    const { rotation, length } = clusters.codes;
    const query = rotate(randomVector(random, 128), rotation);
    const size = Math.hypot(...query);
    vectors.forEach((vector, row) => {
      const first = row < 7 ? 0 : length;
      const rotated = rotate(vector, rotation);
      const { signs, factor, error } = clusters.bits(row);
      const product = query.reduce(
        (sum, x, i) => sum + x * (rotated[i]! - centroids[first + i]!),
        0,
      );
      const estimate = factor * query.reduce((sum, x, i) => sum + (signs[i] ? x : -x), 0);
      count++;
      if (Math.abs(estimate - product) > 1.9 * error * size) far++;
    });
  }
  expect(far / count).toBeGreaterThan(0.03);
  expect(far / count).toBeLessThan(0.09);
});

test("[K9] a sweep of all clusters finds the rows that codes order first, whatever the slack", () => {
  const random = seededRandom(3);
  for (const dimension of DIMENSIONS) {
    for (const metric of ["cosine", "euclidean", "dot"] as const) {
      const { clusters, vectors } = build(dimension, metric, random);
      const query = randomVector(random, dimension);
      const search = (epsilon: number, k: number): readonly number[] => [
        ...clusters.search({ query, probes: 2, width: 40, k, epsilon }).rows,
      ];
      // Nothing is left out where all rows are wanted, or every error is forgiven.
      const all = search(0, 40);
      expect(all).toHaveLength(40);
      expect(search(1_000, 1)).toEqual(all);
      const careful = search(6, 5).slice(0, 5);
      expect(careful).toEqual(all.slice(0, 5));
      if (metric !== "dot" || dimension < 100) continue;
      const best = vectors.map((vector) => dot(query, vector));
      expect(best[all[0]!]).toBeGreaterThan(best.toSorted((a, b) => b - a)[3]!);
    }
  }
});

test("a mask leaves rows out of a sweep, wherever its bits begin", () => {
  const random = seededRandom(4);
  const { clusters } = build(48, "cosine", random);
  const query = randomVector(random, 48);
  for (const keep of [(row: number) => row % 3 === 0, (row: number) => row === 39, () => false]) {
    const mask = new Uint8Array(5);
    const kept = Array.from({ length: 40 }, (_, row) => row).filter(keep);
    for (const row of kept) mask[row >> 3]! |= 1 << (row & 7);
    const { rows } = clusters.search({ query, probes: 2, width: 40, k: 40, mask });
    expect([...rows].toSorted((a, b) => a - b)).toEqual(kept);
  }
});

test("a zero query and rows that are their centroid have estimates too", () => {
  const codes = new RowCodes({ rowCount: 3, dimension: 16, metric: "euclidean" });
  const vectors = new Float32Array(48).fill(0.25, 16, 32);
  codes.encode(vectors);
  const rotated = rotate(vectors.subarray(16, 32), codes.rotation);
  const centroids = Float32Array.from(rotated);
  const clusters = new RowClusters({ codes, centroids, sizes: Uint32Array.of(3) });
  clusters.encode(0, vectors);
  const search = (query: Float32Array): readonly number[] => [
    ...clusters.search({ query, probes: 1, width: 3, k: 3 }).rows,
  ];
  expect(search(new Float32Array(16)).at(-1)).toBe(1);
  expect(search(vectors.subarray(16, 32))[0]).toBe(1);
});
