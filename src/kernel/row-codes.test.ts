import { expect, test } from "vitest";
import { isBrainyError } from "../base/errors.ts";
import { seededRandom, type Random } from "../base/random.ts";
import { dot, norm, squaredL2 } from "./oracle.ts";
import { quantise, rotate } from "./quantise.ts";
import { RowCodes } from "./row-codes.ts";
import { RowGraph } from "./row-graph.ts";

const DIMENSIONS = [1, 2, 3, 15, 16, 17, 31, 48, 100, 384, 768, 1_000, 1_536, 4_096];

function randomVector(random: Random, dimension: number, scale = 1): Float32Array {
  return Float32Array.from({ length: dimension }, () => (random.next() * 2 - 1) * scale);
}

/** Rows of which some are all in one component, or all alike: what rotations are for. */
function someVectors(random: Random, dimension: number): Float32Array[] {
  return [
    randomVector(random, dimension),
    randomVector(random, dimension, 1e-6),
    randomVector(random, dimension, 1e6),
    new Float32Array(dimension),
    Float32Array.from({ length: dimension }, (_, i) => (i === 0 ? 3 : 0)),
    new Float32Array(dimension).fill(-0.7),
    ...Array.from({ length: 6 }, () => randomVector(random, dimension)),
  ];
}

test("a rotation keeps lengths and products", () => {
  const random = seededRandom(1);
  for (const dimension of DIMENSIONS) {
    const { rotation } = new RowCodes({ rowCount: 1, dimension, metric: "cosine" });
    const [a, b] = [randomVector(random, dimension), randomVector(random, dimension)];
    const [x, y] = [rotate(a, rotation), rotate(b, rotation)];
    const product = x.reduce((sum, value, i) => sum + value * y[i]!, 0);
    expect(Math.hypot(...x)).toBeCloseTo(norm(a), 4);
    expect(product).toBeCloseTo(dot(a, b), 4);
  }
});

test("a vector of one component is spread over all of them", () => {
  const { rotation } = new RowCodes({ rowCount: 1, dimension: 384, metric: "cosine" });
  const rotated = rotate(Float32Array.of(1), rotation);
  expect(Math.max(...rotated.map(Math.abs))).toBeLessThan(6 / Math.sqrt(384));
});

test("[K7] codes are those of the definition, up to a rounding", () => {
  const random = seededRandom(2);
  for (const dimension of DIMENSIONS) {
    const vectors = someVectors(random, dimension);
    const rowCount = vectors.length;
    const codes = new RowCodes({ rowCount, dimension, metric: "euclidean" });
    codes.encode(Float32Array.from(vectors.flatMap((vector) => [...vector])));
    vectors.forEach((vector, row) => {
      const { components, scale } = codes.code(row);
      const rotated = rotate(vector, codes.rotation);
      const defined = quantise(rotated, 127);
      expect(Math.abs(scale - defined.scale)).toBeLessThanOrEqual(1e-5 * defined.scale);
      // A half is rounded either way: it is as near to both.
      const whole = Array.from(rotated, (x) => (defined.scale === 0 ? 0 : x / defined.scale));
      const apart = Array.from(components, (component, i) => Math.abs(component - whole[i]!));
      expect(Math.max(...apart)).toBeLessThanOrEqual(0.5 + 1e-3);
      const steps = Array.from(components, (component, i) => component - defined.components[i]!);
      expect(Math.max(...steps.map(Math.abs))).toBeLessThanOrEqual(1);
    });
  }
});

test("[K7] estimated distances are as near to the oracle's as the steps of codes and query allow", () => {
  const random = seededRandom(3);
  for (const dimension of DIMENSIONS) {
    for (const metric of ["cosine", "euclidean", "dot"] as const) {
      const vectors = someVectors(random, dimension);
      const rowCount = vectors.length;
      const normMax = Math.max(...vectors.map(norm));
      const codes = new RowCodes({ rowCount, dimension, metric, normMax });
      for (const vector of vectors) codes.encode(vector);
      const graph = new RowGraph({ codes });
      graph.addRows({ start: 0, end: rowCount, width: 50 });
      const query = randomVector(random, dimension);
      const { length } = codes.rotation;
      const found = graph.search(query, 50);
      expect(found.rows.length).toBeGreaterThan(0);
      found.rows.forEach((row, i) => {
        const vector = vectors[row]!;
        const unit = metric === "cosine" ? norm(vector) || 1 : 1;
        const exact =
          metric === "euclidean" ? squaredL2(query, vector) : (-2 * dot(query, vector)) / unit;
        const size = metric === "dot" ? normMax : norm(vector) / unit;
        // Half a step for each component, of the row and of the query, whose product is doubled.
        const most = Math.min(32_000, Math.floor((2 ** 31 - 1) / (128 * length)));
        const step = codes.code(row).scale * norm(query) + (norm(query) / most) * size;
        const rounding = 1e-5 * (norm(query) + size) ** 2;
        const allowed = 1.01 * step * Math.sqrt(length) + rounding;
        expect(
          Math.abs(found.distances[i]! - exact),
          `${metric} ${dimension} row ${row}`,
        ).toBeLessThanOrEqual(allowed);
      });
    }
  }
});

test("no product leaves 32 bits, whatever the components", () => {
  for (const dimension of [384, 768, 4_096]) {
    const codes = new RowCodes({ rowCount: 2, dimension, metric: "cosine" });
    const graph = new RowGraph({ codes });
    // Its rotation undone, every component would be the greatest: the worst that can happen.
    const even = new Float32Array(dimension).fill(1);
    codes.encode(even);
    codes.encode(even.map((x) => -x));
    graph.addRows({ start: 0, end: 2, width: 10 });
    const { rows, distances } = graph.search(even, 10);
    expect([...rows]).toEqual([0, 1]);
    expect(distances[0]! / (-2 * Math.sqrt(dimension))).toBeCloseTo(1, 1);
    expect(distances[1]).toBe(-distances[0]!);
  }
});

test("codes that do not fit a memory are refused before there is one", () => {
  const error = (() => {
    try {
      return new RowCodes({ rowCount: 10_000_000, dimension: 768, metric: "cosine" });
    } catch (thrown) {
      return thrown;
    }
  })();
  expect(isBrainyError(error, "BRAINY_LIMIT")).toBe(true);
  expect(String(error)).toMatch(/10000000 rows of 768 components are more than/);
});
