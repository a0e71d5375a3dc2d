import fc from "fast-check";
import { expect, test } from "vitest";
import { METRICS, score, userDistance } from "./metric.ts";
import { cosineDistance, distance, dot, squaredL2 } from "./oracle.ts";

const A = Float32Array.of(3, 4);
const B = Float32Array.of(4, 3);

test("distances and scores are what users were told", () => {
  expect(dot(A, B)).toBe(24);
  expect(squaredL2(A, B)).toBe(2);
  expect(cosineDistance(A, B)).toBeCloseTo(1 - 24 / 25, 12);
  expect(userDistance("cosine", distance("cosine", A, B))).toBeCloseTo(0.04, 12);
  expect(score("cosine", distance("cosine", A, B))).toBeCloseTo(0.96, 12);
  expect(userDistance("euclidean", distance("euclidean", A, B))).toBe(Math.SQRT2);
  expect(score("euclidean", distance("euclidean", A, B))).toBe(1 / (1 + Math.SQRT2));
  expect(userDistance("dot", distance("dot", A, B))).toBe(-24);
  expect(score("dot", distance("dot", A, B))).toBe(24);
});

test("a vector is at exactly zero from itself, and cosine stays within 0 and 2", () => {
  const vector = fc
    .float32Array({ minLength: 1, maxLength: 50, noNaN: true, noDefaultInfinity: true })
    .filter((a) => a.some((x) => x !== 0));
  fc.assert(
    fc.property(vector, (a) => {
      expect(cosineDistance(a, a)).toBe(0);
      expect(squaredL2(a, a)).toBe(0);
      expect(
        cosineDistance(
          a,
          a.map((x) => -x),
        ),
      ).toBe(2);
    }),
  );
});

test("a zero vector is at 1 from everything by cosine", () => {
  const zero = new Float32Array(2);
  expect(cosineDistance(zero, A)).toBe(1);
  expect(cosineDistance(zero, zero)).toBe(1);
});

test("a product of zero is zero, and not minus zero", () => {
  expect(distance("dot", Float32Array.of(0), Float32Array.of(1))).toBe(0);
  expect(score("dot", distance("dot", Float32Array.of(0), Float32Array.of(1)))).toBe(0);
});

test("user distance keeps the order, and score turns it round", () => {
  const ordering = fc.double({ min: 0, max: 2, noNaN: true });
  fc.assert(
    fc.property(ordering, ordering, fc.constantFrom(...METRICS), (a, b, metric) => {
      fc.pre(a < b);
      expect(userDistance(metric, a)).toBeLessThanOrEqual(userDistance(metric, b));
      expect(score(metric, a)).toBeGreaterThanOrEqual(score(metric, b));
    }),
  );
});
