import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isBrainyError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import type { Random } from "../base/random.ts";
import { errorBound, floatLimit } from "./error-bound.ts";
import type { Metric } from "./metric.ts";
import { METRICS } from "./metric.ts";
import { distance, norm } from "./oracle.ts";
import { VectorArena } from "./vector-arena.ts";

const NEXT_TO_ALL = [1, 2, 3, 4, 5, 7, 15, 16, 17, 31, 63, 64, 65, 100, 384, 1023, 1536, 4096];

function randomVector(random: Random, dimension: number, scale = 1): Float32Array {
  return Float32Array.from({ length: dimension }, () => (random.next() * 2 - 1) * scale);
}

function filled(vectors: readonly Float32Array[], shared: boolean): VectorArena {
  const rows = vectors.length;
  const arena = new VectorArena({ dimension: vectors[0]!.length, rowsMax: rows, rows, shared });
  vectors.forEach((vector, row) => arena.set(row, vector));
  return arena;
}

function expectWithinBound(options: {
  readonly metric: Metric;
  readonly query: Float32Array;
  readonly vector: Float32Array;
  readonly found: number;
}): void {
  const { metric, query, vector, found } = options;
  const exact = distance(metric, query, vector);
  const normProduct = norm(query) * norm(vector);
  const bound = errorBound({ metric, dimension: query.length, normProduct });
  const allowed = Math.abs(exact) * bound.relative + bound.absolute;
  expect(
    Math.abs(found - exact),
    `${metric} ${query.length}: ${found}, ${exact}`,
  ).toBeLessThanOrEqual(allowed);
}

/** All distances, by a scan that keeps every row, in order of rows. */
function scanAll(arena: VectorArena, metric: Metric, query: Float32Array, rows: number): number[] {
  const search = arena.beginSearch({ metric, query, k: rows });
  search.scanRange({ start: 0, end: rows });
  const found = search.results();
  const distances: number[] = [];
  found.rows.forEach((row, i) => (distances[row] = found.distances[i]!));
  return distances;
}

function sorted(distances: ArrayLike<number>, k: number, keep: (row: number) => boolean): number[] {
  return Array.from(distances, (_, row) => row)
    .filter(keep)
    .sort((a, b) => distances[a]! - distances[b]! || a - b)
    .slice(0, k);
}

function maskOf(rows: number, keep: (row: number) => boolean): Uint8Array {
  const mask = new Uint8Array(Math.ceil(rows / 8));
  for (let row = 0; row < rows; row++) if (keep(row)) mask[row >> 3]! |= 1 << (row & 7);
  return mask;
}

describe.each([{ shared: false }, { shared: true }])("shared: $shared", ({ shared }) => {
  test("[K1] every distance is within the stated bound of the oracle, for dimensions 1 to 4096", () => {
    const random = seededRandom(1);
    for (const dimension of NEXT_TO_ALL) {
      const vectors = Array.from({ length: 7 }, () => randomVector(random, dimension));
      vectors.push(new Float32Array(dimension));
      const arena = filled(vectors, shared);
      for (const query of [randomVector(random, dimension), vectors[2]!, vectors[7]!]) {
        for (const metric of METRICS) {
          const scanned = scanAll(arena, metric, query, vectors.length);
          vectors.forEach((vector, row) => {
            expectWithinBound({ metric, query, vector, found: scanned[row]! });
          });
        }
      }
    }
  });

  test("[K1] any finite components stay within the bound, or become the infinity they exceed", () => {
    const component = fc.float({ noNaN: true, noDefaultInfinity: true });
    const pair = fc.integer({ min: 1, max: 70 }).chain((length) =>
      fc.tuple(
        fc.float32Array({
          minLength: length,
          maxLength: length,
          noNaN: true,
          noDefaultInfinity: true,
        }),
        fc.array(component, { minLength: length, maxLength: length }),
      ),
    );
    fc.assert(
      fc.property(pair, fc.constantFrom(...METRICS), ([a, b], metric) => {
        const query = a;
        const vector = Float32Array.from(b);
        const found = filled([vector], shared).distances(metric, query, Uint32Array.of(0))[0]!;
        const normProduct = norm(query) * norm(vector);
        const bound = errorBound({ metric, dimension: query.length, normProduct });
        const exact = distance(metric, query, vector);
        expect(found).toBeLessThanOrEqual(floatLimit(exact, bound));
        if (Number.isFinite(found)) {
          expectWithinBound({ metric, query, vector, found });
        } else {
          expect(Math.fround(exact * (1 + 1e-4))).toBe(found);
          if (metric === "dot") expect(bound.absolute).toBe(Infinity);
        }
      }),
      { numRuns: 300 },
    );
  });

  test.each([1e-45, 1e-40, 1e-38, 1e-37, 1e-30, 1e-20, 1e20, 1e30, 3e38])(
    "[K1] cosine does not care that components are about %d",
    (scale) => {
      const random = seededRandom(7);
      for (const dimension of [3, 100, 4_096]) {
        const vectors = Array.from({ length: 5 }, () => randomVector(random, dimension, scale));
        vectors.push(...Array.from({ length: 4 }, () => randomVector(random, dimension)));
        const arena = filled(vectors, shared);
        const rows = Uint32Array.from(vectors, (_, row) => row);
        for (const query of [vectors[4]!, randomVector(random, dimension, scale), vectors[8]!]) {
          const scanned = scanAll(arena, "cosine", query, vectors.length);
          expect(Array.from(arena.distances("cosine", query, rows))).toEqual(scanned);
          vectors.forEach((vector, row) => {
            expectWithinBound({ metric: "cosine", query, vector, found: scanned[row]! });
          });
        }
      }
    },
  );

  test("[K2] a row has the same distance, to the bit, in a scan, under a mask and in a list", () => {
    const random = seededRandom(3);
    for (const dimension of [1, 6, 16, 50, 384]) {
      const vectors = Array.from({ length: 99 }, () => randomVector(random, dimension));
      const arena = filled(vectors, shared);
      const query = randomVector(random, dimension);
      for (const metric of METRICS) {
        const scanned = scanAll(arena, metric, query, 99);
        const rows = Uint32Array.from({ length: 99 }, (_, i) => (i * 37) % 99);
        const gathered = arena.distances(metric, query, rows);
        expect(Array.from(gathered)).toEqual(Array.from(rows, (row) => scanned[row]));

        const search = arena.beginSearch({ metric, query, k: 99 });
        const keep = (row: number): boolean => row >= 64 || row % 5 !== 0;
        search.scanRange({ start: 0, end: 99, mask: maskOf(99, keep) });
        const found = search.results();
        expect(Array.from(found.rows)).toEqual(sorted(scanned, 99, keep));
        found.rows.forEach((row, i) => expect(found.distances[i]).toBe(scanned[row]));
      }
    }
  });

  test("[K3] the heap keeps what sorting keeps, whatever the slices, with ties by lower row", () => {
    const rows = 200;
    const values = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: rows, maxLength: rows });
    const cuts = fc.array(fc.nat(rows), { maxLength: 6 });
    const everySoOften = fc.integer({ min: 1, max: 9 });
    const arena = new VectorArena({ dimension: 1, rowsMax: rows, rows, shared });
    fc.assert(
      fc.property(values, cuts, fc.integer({ min: 1, max: 220 }), everySoOften, (all, at, k, n) => {
        all.forEach((value, row) => arena.set(row, Float32Array.of(value)));
        const search = arena.beginSearch({ metric: "euclidean", query: Float32Array.of(5), k });
        const keep = (row: number): boolean => n === 1 || (row * 7) % n !== 0;
        const mask = n === 1 ? undefined : maskOf(rows, keep);
        const ends = [0, ...at, rows].sort((a, b) => a - b);
        const slices = ends.slice(1).map((end, i) => ({ start: ends[i]!, end, mask }));
        for (const slice of slices.reverse()) search.scanRange(slice);
        const distances = all.map((value) => (value - 5) ** 2);
        const found = search.results();
        expect(Array.from(found.rows)).toEqual(sorted(distances, k, keep));
        expect(Array.from(found.distances)).toEqual(Array.from(found.rows, (r) => distances[r]));
      }),
      { numRuns: 150 },
    );
  });

  test("[K4] searches that take turns on one arena find what they find alone", () => {
    const random = seededRandom(11);
    const rows = 500;
    const arena = filled(
      Array.from({ length: rows }, () => randomVector(random, 20)),
      shared,
    );
    const wanted = METRICS.flatMap((metric) =>
      [1, 10, 333].map((k) => ({ metric, k, query: randomVector(random, 20) })),
    );
    const alone = wanted.map((options) => {
      const search = arena.beginSearch(options);
      search.scanRange({ start: 0, end: rows });
      return search.results();
    });
    const searches = wanted.map((options) => arena.beginSearch(options));
    for (let start = 0; start < rows; start += 50) {
      for (const search of searches) search.scanRange({ start, end: start + 50 });
      arena.distances("dot", randomVector(random, 20), Uint32Array.of(1, 2, 3));
      if (start === 250) arena.beginSearch(wanted[0]!).scanRange({ start: 0, end: 9 });
    }
    expect(searches.map((search) => search.results())).toEqual(alone);
  });

  test("[K4] growth keeps rows, and a search that is under way", () => {
    const random = seededRandom(5);
    const dimension = 10;
    const arena = new VectorArena({ dimension, rowsMax: 100_000, shared });
    expect(arena.rowCapacity).toBe(0);
    arena.ensureRows(1);
    const first = randomVector(random, dimension);
    arena.set(0, first);
    const search = arena.beginSearch({ metric: "euclidean", query: first, k: 2 });
    search.scanRange({ start: 0, end: 1 });
    arena.ensureRows(99_999);
    const second = randomVector(random, dimension);
    arena.set(99_998, second);
    search.scanRange({ start: 99_998, end: 99_999 });
    expect(Array.from(search.results().rows)).toEqual([0, 99_998]);
    expect(arena.copy(0)).toEqual(first);
    expect(arena.copy(99_998)).toEqual(second);
    expect(arena.rowCapacity).toBeLessThanOrEqual(100_000);
    expect(() => arena.ensureRows(100_001)).toThrow(/at most 100000/);
  });

  test("rows read as bytes are rows that were set", () => {
    const random = seededRandom(6);
    const vectors = Array.from({ length: 5 }, () => randomVector(random, 7));
    const source = filled(vectors, shared);
    const target = new VectorArena({ dimension: 7, rowsMax: 5, rows: 5, shared });
    target.rowBytes(1, 4).set(source.rowBytes(1, 4));
    expect(target.finishRows(1, 4)).toBe(true);
    expect(target.copy(3)).toEqual(vectors[3]);
    const rows = Uint32Array.of(1, 2, 3);
    for (const metric of METRICS) {
      expect(target.distances(metric, vectors[0]!, rows)).toEqual(
        source.distances(metric, vectors[0]!, rows),
      );
    }
    expect(target.rowBytes(0, 5).byteLength).toBe(5 * 8 * 4);
  });

  test("collecting lists every row within the limit, and forgets what was looked at", () => {
    const arena = filled(
      Array.from({ length: 50 }, (_, row) => Float32Array.of(row)),
      shared,
    );
    const query = Float32Array.of(10);
    const search = arena.beginCollect({ metric: "euclidean", query, limit: 9 });
    search.scanRange({ start: 0, end: 9 });
    expect(Array.from(search.results().rows)).toEqual([7, 8]);
    search.scanRange({ start: 9, end: 50, mask: maskOf(50, (row) => row !== 11) });
    expect(Array.from(search.results().rows)).toEqual([9, 10, 12, 13]);
  });
});

test("one row that is not finite does not hide behind its neighbours, nor harm them", () => {
  const vectors = [Float32Array.of(1, NaN), Float32Array.of(3, 4), Float32Array.of(5, 6)];
  const arena = new VectorArena({ dimension: 2, rowsMax: 3, rows: 3 });
  vectors.forEach((vector, row) => arena.view(row).set(vector));
  expect(arena.finishRows(0, 3)).toBe(false);
  expect(arena.finishRows(1, 3)).toBe(true);
  expect(arena.distances("cosine", vectors[1]!, Uint32Array.of(1))[0]).toBeCloseTo(0, 6);
  expect(arena.normMax).toBeCloseTo(Math.sqrt(61), 12);
});

test("a vector that is set leaves nothing of what was in the row", () => {
  const arena = new VectorArena({ dimension: 5, rowsMax: 1, rows: 1 });
  arena.rowBytes(0, 1).fill(0x40);
  arena.set(0, new Float32Array(5).fill(2));
  expect(arena.rowBytes(0, 1).subarray(20)).toEqual(new Uint8Array(12));
});

test("components that are not finite are refused, and leave a zero row", () => {
  const arena = new VectorArena({ dimension: 5, rowsMax: 2, rows: 2 });
  for (const bad of [NaN, Infinity, -Infinity]) {
    const vector = Float32Array.of(1, 2, 3, 4, bad);
    expect(() => arena.set(0, vector)).toThrow(/not finite/);
    expect(arena.copy(0)).toEqual(new Float32Array(5));
    expect(() => arena.distances("dot", vector, Uint32Array.of(0))).toThrow(/not finite/);
    arena.rowBytes(1, 2).set(new Uint8Array(vector.buffer));
    expect(arena.finishRows(0, 2)).toBe(false);
  }
});

test("a wrong dimension is the caller's error", () => {
  const arena = new VectorArena({ dimension: 5, rowsMax: 1, rows: 1 });
  for (const call of [
    (): unknown => arena.set(0, new Float32Array(4)),
    (): unknown => arena.beginSearch({ metric: "dot", query: new Float32Array(6), k: 1 }),
    (): unknown => new VectorArena({ dimension: 0, rowsMax: 1 }),
  ]) {
    try {
      call();
      expect.unreachable();
    } catch (error) {
      expect(isBrainyError(error, "BRAINY_INVALID_ARGUMENT")).toBe(true);
    }
  }
});

test("an arena of the most rows that fit can be made, and one of more is refused", () => {
  const rowsMax = VectorArena.rowsLimit(768);
  expect(rowsMax).toBeGreaterThan(1_300_000);
  expect(new VectorArena({ dimension: 768, rowsMax }).rowsMax).toBe(rowsMax);
  expect(() => new VectorArena({ dimension: 768, rowsMax: rowsMax + 1 })).toThrow(/fit one arena/);
});
