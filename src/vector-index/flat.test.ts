import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readFilteredTruth, readVectorDataset } from "../../test/support/datasets.ts";
import { isBrainyError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import type { Metric } from "../kernel/metric.ts";
import { METRICS } from "../kernel/metric.ts";
import { distance, dot } from "../kernel/oracle.ts";
import { VectorArena } from "../kernel/vector-arena.ts";
import { bruteForce } from "./brute-force.ts";
import { vectorIndexConformance } from "./conformance.ts";
import type { VectorIndex } from "./contract.ts";
import { searchFlat } from "./flat.ts";

function filled(vectors: readonly Float32Array[], dimension: number, shared = false): VectorArena {
  const rows = vectors.length;
  const arena = new VectorArena({ dimension, rowsMax: rows, rows, shared });
  vectors.forEach((vector, row) => arena.set(row, vector));
  return arena;
}

for (const shared of [false, true]) {
  describe(`flat, shared: ${shared}`, () => {
    vectorIndexConformance({
      test,
      recallMin: 1,
      async build({ metric, dimension, vectors }): Promise<VectorIndex> {
        const arena = filled(vectors, dimension, shared);
        const rowCount = vectors.length;
        return { search: (options) => searchFlat({ arena, metric, rowCount, ...options }) };
      },
    });
  });
}

test("[K5] rows closer together than float32 can tell are ordered as float64 orders them", async () => {
  const dimension = 128;
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.constantFrom(...METRICS), async (seed, metric) => {
      const random = seededRandom(seed);
      const query = Float32Array.from({ length: dimension }, () => random.next() * 2 - 1);
      const any = Float32Array.from({ length: dimension }, () => random.next() * 2 - 1);
      // At a right angle to the query, products are large and their sum is nearly nothing.
      const share = dot(any, query) / dot(query, query);
      const centre = any.map((x, i) => x - share * query[i]!);
      // The last bits of few components differ: less than rounding on the way does.
      const vectors = Array.from({ length: 300 }, () =>
        centre.map((x) => (random.next() < 0.03 ? x * (1 + 2 ** -23) : x)),
      );
      const options = { metric, query, k: 5 };
      const arena = filled(vectors, dimension);
      const found = await searchFlat({ ...options, rowCount: 300, arena });
      expect(found).toEqual(bruteForce({ ...options, vectors }));
    }),
    { numRuns: 40 },
  );
});

test("[K5] squares beyond float32 are told apart", async () => {
  const random = seededRandom(2);
  const vectors = Array.from({ length: 90 }, () =>
    Float32Array.from({ length: 3 }, () => (random.next() * 2 - 1) * 3e38),
  );
  for (const metric of METRICS) {
    const options = { metric, query: vectors[70]!, k: 3 };
    const found = await searchFlat({ ...options, rowCount: 90, arena: filled(vectors, 3) });
    expect(found).toEqual(bruteForce({ ...options, vectors }));
  }
});

test("[K5] magnitudes that float32 cannot square are searched exactly", async () => {
  const scales = fc.constantFrom(1e-45, 1e-40, 1e-25, 1e-18, 1, 1e18, 1e25, 3e38);
  const vector = fc
    .tuple(scales, fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 5, maxLength: 5 }))
    .map(([scale, whole]) => Float32Array.from(whole, (n) => (n / 9) * scale));
  await fc.assert(
    fc.asyncProperty(
      fc.array(vector, { minLength: 1, maxLength: 90 }),
      vector,
      fc.constantFrom(...METRICS),
      async (vectors, query, metric) => {
        const options = { metric, query, k: 7 };
        const rowCount = vectors.length;
        const found = await searchFlat({ ...options, rowCount, arena: filled(vectors, 5) });
        expect(found).toEqual(bruteForce({ ...options, vectors }));
      },
    ),
    { numRuns: 200 },
  );
});

test("[K5] more neighbours than a heap holds are found too", async () => {
  const rowCount = 70_000;
  const vectors = Array.from({ length: rowCount }, (_, i) => Float32Array.of((i * 7919) % 1_000));
  const options = { metric: "euclidean" as Metric, query: Float32Array.of(500), k: 66_000 };
  const found = await searchFlat({ ...options, rowCount, arena: filled(vectors, 1) });
  expect(found).toEqual(bruteForce({ ...options, vectors }));
});

test("a hundred thousand equal rows cost two scans, in slices", async () => {
  const rowCount = 100_000;
  const arena = new VectorArena({ dimension: 64, rowsMax: rowCount, rows: rowCount });
  const vector = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i));
  for (let row = 0; row < rowCount; row++) arena.set(row, vector);
  const query = Float32Array.from({ length: 64 }, (_, i) => Math.cos(i));
  for (const metric of METRICS) {
    let breaths = 0;
    const breathe = async (): Promise<void> => void breaths++;
    const found = await searchFlat({ arena, metric, query, k: 10, rowCount, breathe });
    expect(found.map(({ row }) => row)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    // 25.6 MB: one breath in the first scan, and one for each 2 MiB of the second.
    expect(breaths).toBeGreaterThan(5);
    expect(breaths).toBeLessThan(20);
  }
});

test("[K5] which of equally near rows are found is for the caller to say", async () => {
  for (const rowCount of [5, 40, 5_000]) {
    const vectors = Array.from({ length: rowCount }, (_, row) => Float32Array.of(row % 2, 3, 1, 2));
    const arena = filled(vectors, 4);
    const query = Float32Array.of(0, 1, 1, 1);
    const compareRows = (a: number, b: number): number => b - a;
    const options = { arena, metric: "euclidean", query, k: 3, rowCount } as const;
    const found = await searchFlat({ ...options, compareRows });
    const last = rowCount - 1 - ((rowCount - 1) % 2);
    expect(found.map(({ row }) => row)).toEqual([last, last - 2, last - 4]);
    const lowest = await searchFlat(options);
    expect(lowest.map(({ row }) => row)).toEqual([0, 2, 4]);
  }
});

test("a small search never yields, and a long one stops when it is told to", async () => {
  const rowCount = 30_000;
  const arena = new VectorArena({ dimension: 512, rowsMax: rowCount, rows: rowCount });
  for (let row = 0; row < rowCount; row++) arena.view(row)[row % 512] = 1 + row;
  arena.finishRows(0, rowCount);
  const controller = new AbortController();
  let breaths = 0;
  const breathe = async (): Promise<void> => {
    breaths++;
    controller.abort(new Error("enough"));
  };
  const query = new Float32Array(512).fill(1);
  const options = { arena, metric: "dot" as Metric, query, k: 1, breathe };
  await searchFlat({ ...options, rowCount: 1_000 });
  expect(breaths).toBe(0);
  const long = searchFlat({ ...options, rowCount, signal: controller.signal });
  await expect(long).rejects.toThrow("enough");
  expect(breaths).toBe(1);
});

test("rows that float32 can tell apart take one scan", async () => {
  const rowCount = 20_000;
  const dimension = 512;
  const arena = new VectorArena({ dimension, rowsMax: rowCount, rows: rowCount });
  const random = seededRandom(3);
  for (let row = 0; row < rowCount; row++)
    arena.view(row).forEach((_, i, all) => (all[i] = random.next()));
  arena.finishRows(0, rowCount);
  for (const metric of METRICS) {
    let breaths = 0;
    const breathe = async (): Promise<void> => void breaths++;
    await searchFlat({ arena, metric, query: arena.copy(7), k: 10, rowCount, breathe });
    // 41 MB: two breaths in the one scan, and a second would take twenty more.
    expect(breaths).toBe(2);
  }
});

test.each([0, -1, 1.5, NaN])("k of %d is the caller's error", async (k) => {
  const arena = filled([Float32Array.of(1)], 1);
  const call = searchFlat({ arena, metric: "dot", query: Float32Array.of(1), k, rowCount: 1 });
  await expect(call).rejects.toSatisfy((e) => isBrainyError(e, "BRAINY_INVALID_ARGUMENT"));
});

interface Judged {
  readonly metric: Metric;
  readonly query: Float32Array;
  readonly base: readonly Float32Array[];
  readonly truth: Int32Array;
  readonly found: readonly { readonly row: number; readonly distance: number }[];
}

/** Recall is counted by distance, so that ties are not punished. */
function expectTrueNeighbours({ metric, query, base, truth, found }: Judged): void {
  expect(found.length).toBe(Math.min(10, truth.length));
  found.forEach((one, i) => {
    const exact = distance(metric, query, base[truth[i]!]!);
    const allowed = Math.max(1e-12, 1e-5 * Math.abs(exact));
    expect(Math.abs(one.distance - exact)).toBeLessThanOrEqual(allowed);
  });
}

const REAL = ["bgelarge-bright", "cohere-wiki1k", "deep1b2k", "dl1920-openai-ada2", "emoji2vec"];

test.each([...REAL, "mnist10k"])("[K5] recall on %s is 1", async (name) => {
  const data = readVectorDataset(name);
  if (data === undefined) return;
  const { base, metric, dimension } = data;
  const arena = filled(base, dimension);
  for (const [i, query] of data.queries.slice(0, 50).entries()) {
    const found = await searchFlat({ arena, metric, query, k: 10, rowCount: base.length });
    expectTrueNeighbours({ metric, query, base, truth: data.truth[i]!, found });
  }
});

test("[K5] recall on mnist10k is 1 under a filter that leaves out the neighbourhood", async () => {
  const data = readVectorDataset("mnist10k");
  if (data === undefined) return;
  const { base, metric, dimension } = data;
  const arena = filled(base, dimension);
  const truth = readFilteredTruth(data, "gtcross");
  const masks = Array.from({ length: 10 }, (_, label) => {
    const mask = new Uint8Array(Math.ceil(base.length / 8));
    data.baseRecords.forEach((record, row) => {
      if (record["label"] === label) mask[row >> 3]! |= 1 << (row & 7);
    });
    return mask;
  });
  for (const [i, query] of data.queries.slice(0, 50).entries()) {
    const label = (Number(data.queryRecords[i]!["label"]) + 1) % 10;
    const mask = masks[label]!;
    const found = await searchFlat({ arena, metric, query, k: 10, rowCount: base.length, mask });
    for (const { row } of found) expect(data.baseRecords[row]!["label"]).toBe(label);
    expectTrueNeighbours({ metric, query, base, truth: truth[i]!, found });
  }
});
