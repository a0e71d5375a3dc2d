import { describe, expect, test } from "vitest";
import { clusteredVectors } from "../../test/support/clustered-vectors.ts";
import { seededRandom } from "../base/random.ts";
import { METRICS, type Metric } from "../kernel/metric.ts";
import { RowCodes } from "../kernel/row-codes.ts";
import { RowGraph } from "../kernel/row-graph.ts";
import { norm } from "../kernel/oracle.ts";
import { VectorArena } from "../kernel/vector-arena.ts";
import { bruteForce } from "./brute-force.ts";
import { vectorIndexConformance } from "./conformance.ts";
import type { VectorIndex } from "./contract.ts";
import { searchGraph } from "./graph.ts";

interface Built {
  readonly arena: VectorArena;
  readonly graph: RowGraph;
  readonly rowCount: number;
  readonly metric: Metric;
}

function build(vectors: readonly Float32Array[], dimension: number, metric: Metric): Built {
  const rowCount = vectors.length;
  const arena = new VectorArena({ dimension, rowsMax: rowCount, rows: rowCount });
  vectors.forEach((vector, row) => arena.set(row, vector));
  const codes = new RowCodes({ rowCount, dimension, metric, normMax: arena.normMax });
  for (const vector of vectors) codes.encode(vector);
  const graph = new RowGraph({ codes });
  graph.addRows({ start: 0, end: rowCount, width: 200 });
  return { arena, graph, rowCount, metric };
}

describe("graph", () => {
  vectorIndexConformance({
    test,
    recallMin: 0.95,
    async build({ metric, dimension, vectors }): Promise<VectorIndex> {
      const built = build(vectors, dimension, metric);
      return { search: (options) => searchGraph({ ...built, width: 128, ...options }) };
    },
  });
});

test.each(METRICS)("%s: recall grows with the width, and reaches 0.99", async (metric) => {
  const random = seededRandom(3);
  const [dimension, k] = [96, 10];
  const vectors = clusteredVectors(random, 4_000, dimension);
  const built = build(vectors, dimension, metric);
  const queries = clusteredVectors(seededRandom(4), 50, dimension);
  const recalls: number[] = [];
  for (const width of [10, 40, 400]) {
    let found = 0;
    for (const query of queries) {
      const nearest = bruteForce({ vectors, metric, query, k });
      const truth = new Set(nearest.map(({ row }) => row));
      const hits = await searchGraph({ ...built, query, k, width });
      found += hits.filter(({ row }) => truth.has(row)).length;
    }
    recalls.push(found / (k * queries.length));
  }
  expect(recalls).toEqual(recalls.toSorted((a, b) => a - b));
  expect(recalls.at(-1)).toBeGreaterThanOrEqual(0.99);
});

test("[K8] a seed decides everything, and another seed something", async () => {
  const vectors = clusteredVectors(seededRandom(5), 1_500, 48);
  const query = vectors[7]!;
  const search = (seed: number): readonly number[] => {
    const codes = new RowCodes({ rowCount: 1_500, dimension: 48, metric: "cosine", seed });
    for (const vector of vectors) codes.encode(vector);
    const graph = new RowGraph({ codes });
    graph.addRows({ start: 0, end: 1_500, width: 60 });
    const { rows, distances } = graph.search(query, 40);
    return [...rows, ...distances];
  };
  expect(search(1)).toEqual(search(1));
  expect(search(1)).not.toEqual(search(2));
});

test("rows of extreme length are for exact search, and so are such queries", async () => {
  const vectors = clusteredVectors(seededRandom(6), 200, 8);
  const built = build(vectors, 8, "cosine");
  for (const factor of [1e-30, 1e30]) {
    const query = vectors[3]!.map((x) => x * factor);
    expect(RowCodes.holds(norm(query))).toBe(false);
    const hits = await searchGraph({ ...built, query, k: 5, width: 20 });
    expect(hits).toEqual(bruteForce({ vectors, metric: "cosine", query, k: 5 }));
  }
});
