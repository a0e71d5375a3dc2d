import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import { randomInteger, seededRandom } from "../base/random.ts";
import type { Metric } from "../kernel/metric.ts";
import { METRICS } from "../kernel/metric.ts";
import { distance } from "../kernel/oracle.ts";
import { bruteForce, takesPart } from "./brute-force.ts";
import type { IndexSearchOptions, Neighbour, VectorIndex } from "./contract.ts";
import { compareNeighbours } from "./contract.ts";

/** The only thing we ask of a test runner: `test(name, fn)`. */
export type TestFunction = (name: string, run: () => Promise<void>) => void;

/** What the suite asks a factory to index: row i is `vectors[i]`. */
export interface BuildOptions {
  readonly metric: Metric;
  readonly dimension: number;
  readonly vectors: readonly Float32Array[];
}

/** An index, and how good it claims to be. */
export interface IndexConformanceOptions {
  readonly test: TestFunction;
  readonly build: (options: BuildOptions) => Promise<VectorIndex>;
  /**
   * Least share of the true neighbours that an approximate index finds, by distance, on average
   * over a case. 1 for an exact index, which is then held to the very rows as well.
   */
  readonly recallMin: number;
  /** Known gaps. A reason is required, and a skip that names no case fails the run. */
  readonly skip?: Readonly<Record<string, string>> | undefined;
}

interface Context {
  readonly build: IndexConformanceOptions["build"];
  readonly recallMin: number;
  readonly random: Random;
  /** True neighbours of all searches of the case so far, and how many of them were found. */
  readonly recall: { expected: number; found: number };
}

type Case = (context: Context) => Promise<void>;

/** One named function per promise in the `VectorIndex` contract. */
const CASES: Readonly<Record<string, Case>> = {
  async "an index of no rows returns nothing"({ build }) {
    for (const metric of METRICS) {
      const index = await build({ metric, dimension: 3, vectors: [] });
      const found = await index.search({ query: Float32Array.of(1, 2, 3), k: 5 });
      assert(found.length === 0, "found a row in nothing");
    }
  },

  async "one row is found by everybody"({ build }) {
    for (const metric of METRICS) {
      const vectors = [Float32Array.of(1, -2, 3)];
      const index = await build({ metric, dimension: 3, vectors });
      for (const query of [vectors[0]!, Float32Array.of(-9, 0, 1), new Float32Array(3)]) {
        const found = await index.search({ query, k: 5 });
        assert(found.length === 1 && found[0]!.row === 0, () => show(found));
      }
    }
  },

  async "fewer rows than k are all returned, in order"(context) {
    await againstOracle(context, { rows: 7, dimension: 5, k: 20 });
  },

  async "the nearest rows are found for dimensions 1 to 4096"(context) {
    for (const dimension of [1, 2, 3, 4, 5, 15, 16, 17, 64, 100, 384, 1023, 4096]) {
      await againstOracle(context, { rows: dimension > 1_000 ? 90 : 300, dimension, k: 10 });
    }
  },

  async "rows that the mask leaves out are never returned, and k others are"(context) {
    for (const share of [0, 0.01, 0.1, 0.5, 0.99]) {
      const rows = 400;
      const mask = new Uint8Array(rows / 8);
      for (let row = 0; row < rows; row++) {
        if (context.random.next() < share) mask[row >> 3]! |= 1 << (row & 7);
      }
      await againstOracle(context, { rows, dimension: 12, k: 10, mask });
    }
  },

  async "a mask that leaves out the nearest rows does not cost results"(context) {
    const { random } = context;
    const vectors = Array.from({ length: 500 }, () => randomVector(random, 8));
    const query = randomVector(random, 8);
    for (const metric of METRICS) {
      const nearest = bruteForce({ vectors, metric, query, k: 450 });
      const mask = new Uint8Array(Math.ceil(vectors.length / 8)).fill(0xff);
      for (const { row } of nearest) mask[row >> 3]! &= ~(1 << (row & 7));
      const index = await context.build({ metric, dimension: 8, vectors });
      await check(context, { index, metric, vectors, search: { query, k: 10, mask } });
    }
  },

  async "duplicates are all found, the lower row first"(context) {
    const { random } = context;
    const originals = Array.from({ length: 40 }, () => randomVector(random, 6));
    const vectors = Array.from({ length: 400 }, (_, row) => originals[(row * 7) % 40]!);
    for (const metric of METRICS) {
      const index = await context.build({ metric, dimension: 6, vectors });
      for (const query of originals.slice(0, 5)) {
        await check(context, { index, metric, vectors, search: { query, k: 25 } });
      }
    }
  },

  async "ties between different rows go to the lower row"(context) {
    const vectors = Array.from({ length: 300 }, () =>
      Float32Array.from({ length: 4 }, () => randomInteger(context.random, 2)),
    );
    for (const metric of METRICS) {
      const index = await context.build({ metric, dimension: 4, vectors });
      for (const query of vectors.slice(0, 8)) {
        await check(context, { index, metric, vectors, search: { query, k: 50 } });
      }
    }
  },

  async "rows that are all equal are found, and k of them"(context) {
    for (const metric of METRICS) {
      const vectors = Array.from({ length: 1_000 }, () => Float32Array.of(0.1, 0.2, 0.3));
      const index = await context.build({ metric, dimension: 3, vectors });
      const query = Float32Array.of(1, 0, 0);
      const mask = new Uint8Array(125).fill(0b10100100);
      await check(context, { index, metric, vectors, search: { query, k: 10 } });
      await check(context, { index, metric, vectors, search: { query, k: 10, mask } });
    }
  },

  async "zero rows and zero queries have a place in the order"(context) {
    const { random } = context;
    const vectors = Array.from({ length: 60 }, (_, row) =>
      row % 3 === 0 ? new Float32Array(9) : randomVector(random, 9),
    );
    for (const metric of METRICS) {
      const index = await context.build({ metric, dimension: 9, vectors });
      for (const query of [new Float32Array(9), randomVector(random, 9)]) {
        await check(context, { index, metric, vectors, search: { query, k: 45 } });
      }
    }
  },

  async "an aborted search rejects with the reason"({ build }) {
    const index = await build({
      metric: "dot",
      dimension: 1,
      vectors: [Float32Array.of(1)],
    });
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    const outcome = await index
      .search({ query: Float32Array.of(1), k: 1, signal })
      .catch((error: unknown) => error);
    assert(outcome === reason, "an aborted search answered");
  },

  async "searches at the same time do not disturb each other"(context) {
    const { random } = context;
    const vectors = Array.from({ length: 500 }, () => randomVector(random, 16));
    const metric = "euclidean";
    const index = await context.build({ metric, dimension: 16, vectors });
    const searches = Array.from({ length: 8 }, (_, i) => ({
      query: randomVector(random, 16),
      k: 1 + i * 5,
      breathe: () => Promise.resolve(),
    }));
    await Promise.all(searches.map((search) => check(context, { index, metric, vectors, search })));
  },
};

/** Registers every promise of the `VectorIndex` contract as a test of one index. */
export function vectorIndexConformance(options: IndexConformanceOptions): void {
  const { test, build, recallMin, skip = {} } = options;
  for (const name of Object.keys(skip)) {
    assert(Object.hasOwn(CASES, name), `skip names no case: ${name}`);
  }
  for (const [name, run] of Object.entries(CASES)) {
    if (Object.hasOwn(skip, name)) continue;
    test(name, async () => {
      const recall = { expected: 0, found: 0 };
      await run({ build, recallMin, random: seededRandom(1), recall });
      assert(
        recall.found >= recallMin * recall.expected,
        () => `${recall.found} of ${recall.expected} neighbours found`,
      );
    });
  }
}

interface Shape {
  readonly rows: number;
  readonly dimension: number;
  readonly k: number;
  readonly mask?: Uint8Array | undefined;
}

async function againstOracle(context: Context, shape: Shape): Promise<void> {
  const { rows, dimension, k, mask } = shape;
  const vectors = Array.from({ length: rows }, () => randomVector(context.random, dimension));
  for (const metric of METRICS) {
    const index = await context.build({ metric, dimension, vectors });
    for (let i = 0; i < 3; i++) {
      const query = i === 0 ? vectors[0]! : randomVector(context.random, dimension);
      await check(context, { index, metric, vectors, search: { query, k, mask } });
    }
  }
}

interface Check {
  readonly index: VectorIndex;
  readonly metric: Metric;
  readonly vectors: readonly Float32Array[];
  readonly search: IndexSearchOptions;
}

/** Runs one search and holds it to every line of the contract. */
async function check(
  { recallMin, recall }: Context,
  { index, metric, vectors, search }: Check,
): Promise<void> {
  const { query, k, mask } = search;
  const found = await index.search(search);
  const expected = bruteForce({ vectors, metric, query, k, mask });
  assert(found.length === expected.length, () => `${found.length} of ${expected.length} rows`);
  assert(new Set(found.map(({ row }) => row)).size === found.length, "a row came twice");
  found.forEach((one, i) => {
    assert(takesPart(mask, one.row), () => `row ${one.row} is left out by the mask`);
    const exact = distance(metric, query, vectors[one.row]!);
    assert(one.distance === exact, () => `row ${one.row}: ${one.distance}, not ${exact}`);
    assert(i === 0 || compareNeighbours(found[i - 1]!, one) < 0, () => show(found));
  });
  if (recallMin >= 1) {
    assert(show(found) === show(expected), () => `${show(found)}, expected ${show(expected)}`);
  }
  const worst = expected.at(-1)?.distance ?? 0;
  recall.expected += expected.length;
  recall.found += found.filter((one) => one.distance <= worst).length;
}

function show(neighbours: readonly Neighbour[]): string {
  return neighbours.map(({ row, distance: at }) => `${row}@${at}`).join(" ");
}

function randomVector(random: Random, dimension: number): Float32Array {
  return Float32Array.from({ length: dimension }, () => random.next() * 2 - 1);
}
