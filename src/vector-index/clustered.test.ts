import { describe, expect, test } from "vitest";
import { clusteredVectors } from "../../test/support/clustered-vectors.ts";
import { seededRandom } from "../base/random.ts";
import { METRICS, type Metric } from "../kernel/metric.ts";
import { RowClusters } from "../kernel/row-clusters.ts";
import { RowCodes } from "../kernel/row-codes.ts";
import { VectorArena } from "../kernel/vector-arena.ts";
import { bruteForce } from "./brute-force.ts";
import { searchClustered } from "./clustered.ts";
import { vectorIndexConformance } from "./conformance.ts";
import { compareNeighbours, type VectorIndex } from "./contract.ts";
import { assignRows, trainCentroids } from "./k-means.ts";

interface Built {
  readonly arena: VectorArena;
  readonly clusters: RowClusters;
  readonly rowCount: number;
  readonly metric: Metric;
  /** The number of each row before rows were ordered by clusters. */
  readonly order: readonly number[];
}

function flat(vectors: readonly Float32Array[], dimension: number): Float32Array {
  const all = new Float32Array(vectors.length * dimension);
  vectors.forEach((vector, i) => all.set(vector, i * dimension));
  return all;
}

function build(given: readonly Float32Array[], dimension: number, metric: Metric): Built {
  const rowCount = given.length;
  const seed = 1;
  const all = flat(given, dimension);
  const scratch = new VectorArena({ dimension, rowsMax: rowCount, rows: rowCount });
  given.forEach((vector, row) => scratch.set(row, vector));
  const { normMax } = scratch;
  const count = Math.ceil(Math.sqrt(rowCount));
  const shape = { dimension, metric, normMax, seed };
  const centroids =
    rowCount === 0 ? new Float32Array(0) : trainCentroids({ ...shape, vectors: all, count });
  const nearest = rowCount === 0 ? [] : [...assignRows({ ...shape, vectors: all, centroids })];
  const order = [...nearest.keys()].sort((a, b) => nearest[a]! - nearest[b]! || a - b);
  const vectors = order.map((row) => given[row]!);
  const sizes = new Uint32Array(count);
  for (const cluster of nearest) sizes[cluster]!++;
  const codes = new RowCodes({ ...shape, rowCount });
  codes.encode(flat(vectors, dimension));
  const clusters = new RowClusters({ codes, centroids, sizes });
  for (let i = 0; i < count; i++) {
    const rows = vectors.slice(clusters.rowStarts[i], clusters.rowStarts[i + 1]);
    clusters.encode(i, flat(rows, dimension));
  }
  const arena = new VectorArena({ dimension, rowsMax: rowCount, rows: rowCount });
  vectors.forEach((vector, row) => arena.set(row, vector));
  return { arena, clusters, rowCount, metric, order };
}

/** Rows as they were numbered before, and masks too. */
function indexOf(built: Built, probes: number): VectorIndex {
  return {
    async search({ mask, ...options }) {
      const { order } = built;
      const own = mask && new Uint8Array(Math.ceil(order.length / 8));
      order.forEach((row, i) => {
        if (own && mask && (mask[row >> 3]! & (1 << (row & 7))) !== 0) own[i >> 3]! |= 1 << (i & 7);
      });
      const found = await searchClustered({ ...built, probes, mask: own, ...options });
      return found
        .map(({ row, distance }) => ({ row: order[row]!, distance }))
        .sort(compareNeighbours);
    },
  };
}

describe("clustered", () => {
  vectorIndexConformance({
    test,
    recallMin: 0.95,
    async build({ metric, dimension, vectors }): Promise<VectorIndex> {
      return indexOf(build(vectors, dimension, metric), 12);
    },
    skip: {
      "duplicates are all found, the lower row first":
        "of rows at the same distance as the k-th, those are kept that clusters show first",
      "ties between different rows go to the lower row":
        "of rows at the same distance as the k-th, those are kept that clusters show first",
      "rows that are all equal are found, and k of them":
        "of rows at the same distance as the k-th, those are kept that clusters show first",
    },
  });
});

test.each(METRICS)(
  "%s: recall grows with the clusters looked at, and all give 0.99",
  async (metric) => {
    const [dimension, k] = [96, 10];
    const vectors = clusteredVectors(seededRandom(3), 4_000, dimension);
    const index = build(vectors, dimension, metric);
    const queries = vectors
      .slice(0, 60)
      .map((vector, i) => vector.map((x) => x * 1.01 + 0.3 * (i % 3)));
    const recalls: number[] = [];
    for (const probes of [1, 8, 64]) {
      let found = 0;
      for (const query of queries) {
        const nearest = bruteForce({ vectors, metric, query, k });
        const truth = new Set(nearest.map(({ row }) => row));
        const hits = await indexOf(index, probes).search({ query, k });
        found += hits.filter(({ row }) => truth.has(row)).length;
      }
      recalls.push(found / (k * queries.length));
    }
    expect(recalls).toEqual(recalls.toSorted((a, b) => a - b));
    expect(recalls.at(-1)).toBeGreaterThanOrEqual(0.99);
  },
);

test("few rows are compared by their codes, though all clusters are looked at", async () => {
  const vectors = clusteredVectors(seededRandom(5), 4_000, 128);
  const built = build(vectors, 128, "cosine");
  built.clusters.takeDistanceCount();
  for (const query of vectors.slice(0, 20)) {
    await searchClustered({ ...built, query, k: 10, probes: 1_000 });
  }
  expect(built.clusters.takeDistanceCount() / 20).toBeLessThan(600);
});
