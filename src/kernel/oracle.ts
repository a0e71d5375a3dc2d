import { assert, unreachable } from "../base/assert.ts";
import type { Metric } from "./metric.ts";

/*
 * The definition of every distance: float32 components, float64 arithmetic, one sum in order of
 * the components. Obviously right and never fast. The kernel is held to it by property tests, and
 * what a search returns is computed here.
 *
 * No product of two float32 values overflows or underflows in float64, nor does a sum of as many
 * as a vector has components, so that the results are finite for all finite vectors.
 */

/** The sum of the products of the components. */
export function dot(a: Float32Array, b: Float32Array): number {
  assertSameLength(a, b);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** The sum of the squared differences of the components. */
export function squaredL2(a: Float32Array, b: Float32Array): number {
  assertSameLength(a, b);
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! - b[i]!;
    sum += difference * difference;
  }
  return sum;
}

/**
 * 1 - cos, in [0, 2]. A zero vector has no direction: its distance to everything is 1.
 *
 * The root is taken of the product of the squared norms, so that a vector is at exactly 0 from
 * itself; the clamp keeps rounding from leaving the interval.
 */
export function cosineDistance(a: Float32Array, b: Float32Array): number {
  assertSameLength(a, b);
  let product = 0;
  let normA = 0;
  let normB = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i]!;
    const y = b[i]!;
    product += x * y;
    normA += x * x;
    normB += y * y;
  }
  const norms = Math.sqrt(normA * normB);
  if (norms === 0) return 1;
  return 1 - Math.min(1, Math.max(-1, product / norms));
}

/** The ordering distance of a metric: see metric.ts. */
export function distance(metric: Metric, a: Float32Array, b: Float32Array): number {
  switch (metric) {
    case "cosine":
      return cosineDistance(a, b);
    case "euclidean":
      return squaredL2(a, b);
    case "dot":
      return 0 - dot(a, b);
    default:
      return unreachable(metric);
  }
}

/** The Euclidean length. */
export function norm(a: Float32Array): number {
  return Math.sqrt(dot(a, a));
}

function assertSameLength(a: Float32Array, b: Float32Array): void {
  assert(a.length === b.length, () => `vectors of ${a.length} and ${b.length} components`);
}
