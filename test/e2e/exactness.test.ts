import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Brainy } from "../../src/index.ts";
import type { Hit } from "../../src/index.ts";
import { readFilteredTruth, readVectorDataset } from "../support/datasets.ts";
import type { VectorDataset } from "../support/datasets.ts";

/*
 * Answers of the public API against the exact neighbours of real vectors, found by brute force in
 * float64. An answer counts by its distance, so that ties are not punished.
 */

const NAMES = [
  "bgelarge-bright",
  "cohere-wiki1k",
  "deep1b2k",
  "dl1920-openai-ada2",
  "emoji2vec",
  "mnist10k",
] as const;
const K = 10;
const QUERIES_MAX = 50;
/** Two float64 sums of one distance in different order agree far better; float32 ones do not. */
const RELATIVE_ERROR_MAX = 1e-5;
/** Of a vector to itself: cosine is then a difference of nearly equal numbers. */
const ABSOLUTE_ERROR_MAX = 1e-9;

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "brainy-exactness-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function fill(brain: Brainy, dataset: VectorDataset): Promise<void> {
  const records = dataset.base.map((vector, row) => ({
    id: String(row),
    vector,
    metadata: { label: dataset.baseRecords[row]?.["label"] ?? row % 7 },
  }));
  const { added, failed } = await brain.addMany(records);
  expect({ added, failed }).toEqual({ added: dataset.base.length, failed: [] });
}

/** By the definitions in the API's documentation, with nothing of the product in it. */
function distance(metric: "cosine" | "euclidean", a: Float32Array, b: Float32Array): number {
  let [product, squaresA, squaresB, squaredDifferences] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    product += x * y;
    squaresA += x * x;
    squaresB += y * y;
    squaredDifferences += (x - y) ** 2;
  }
  if (metric === "euclidean") return Math.sqrt(squaredDifferences);
  return 1 - product / (Math.sqrt(squaresA) * Math.sqrt(squaresB));
}

interface Question {
  readonly dataset: VectorDataset;
  readonly query: Float32Array;
  readonly truth: Int32Array;
}

/** Hits that are no worse than the true neighbour of their rank, out of `K`. */
function scoreHits(hits: readonly Hit[], { dataset, query, truth }: Question): number {
  const { metric, base } = dataset;
  let right = 0;
  for (const [rank, hit] of hits.entries()) {
    const exact = distance(metric, query, base[Number(hit.id)]!);
    const best = distance(metric, query, base[truth[rank]!]!);
    const slack = Math.max(ABSOLUTE_ERROR_MAX, RELATIVE_ERROR_MAX * Math.abs(best));
    const error = Math.abs(hit.distance - exact);
    expect(error, `distance of ${hit.id}`).toBeLessThanOrEqual(
      Math.max(ABSOLUTE_ERROR_MAX, RELATIVE_ERROR_MAX * Math.abs(exact)),
    );
    if (exact <= best + slack) right++;
  }
  return right;
}

async function recall(brain: Brainy, dataset: VectorDataset): Promise<number> {
  let right = 0;
  let wanted = 0;
  for (const [i, query] of dataset.queries.slice(0, QUERIES_MAX).entries()) {
    const truth = dataset.truth[i]!;
    const hits = await brain.search(query, K, { include: [] });
    expect(hits).toHaveLength(K);
    right += scoreHits(hits, { dataset, query, truth });
    wanted += K;
  }
  return right / wanted;
}

for (const name of NAMES) {
  for (const storage of ["memory", "file"] as const) {
    test(`${name} in ${storage}: recall at 10 is 1 before and after compaction`, async (context) => {
      const dataset = readVectorDataset(name);
      if (dataset === undefined) {
        context.skip("no real data beside the checkout");
        return;
      }
      await using brain = new Brainy({
        storage: storage === "memory" ? "memory" : join(root, name),
        metric: dataset.metric,
        // So that "before" is the tail and nothing else.
        compaction: false,
      });
      await fill(brain, dataset);
      expect(brain.getMetrics().index.segments).toBe(0);
      expect(await recall(brain, dataset)).toBe(1);
      await brain.compact();
      const { segments, tailOperations } = brain.getMetrics().index;
      expect({ segments, tailOperations }).toEqual({ segments: 1, tailOperations: 0 });
      expect(await recall(brain, dataset)).toBe(1);
    });
  }
}

test("mnist10k under a filter that rules out the neighbourhood: recall at 10 is 1", async (context) => {
  const dataset = readVectorDataset("mnist10k");
  if (dataset === undefined) {
    context.skip("no real data beside the checkout");
    return;
  }
  const truths = readFilteredTruth(dataset, "gtcross");
  await using brain = new Brainy({ metric: dataset.metric, compaction: false });
  await fill(brain, dataset);
  for (const isCompacted of [false, true]) {
    if (isCompacted) await brain.compact();
    for (const [i, query] of dataset.queries.slice(0, QUERIES_MAX).entries()) {
      const label = ((dataset.queryRecords[i]!["label"] as number) + 1) % 10;
      const hits = await brain.search(query, K, { filter: { label }, include: ["metadata"] });
      expect(hits.map(({ metadata }) => metadata["label"])).toEqual(Array(K).fill(label));
      expect(scoreHits(hits, { dataset, query, truth: truths[i]! })).toBe(K);
    }
  }
});
