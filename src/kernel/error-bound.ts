import { unreachable } from "../base/assert.ts";
import type { Metric } from "./metric.ts";

/** |kernel − oracle| ≤ `relative` · |oracle| + `absolute`, of ordering distances. */
export interface ErrorBound {
  readonly relative: number;
  readonly absolute: number;
}

/** What the bound depends on. */
export interface ErrorBoundOptions {
  readonly metric: Metric;
  readonly dimension: number;
  /** The norm of the query times the norm of the row, or of the longest row. Used by `dot`. */
  readonly normProduct: number;
}

/** Half the distance from 1 to the next float32: the greatest relative error of one rounding. */
const ROUNDING = 2 ** -24;
/** The least float32 above zero: what one product below the range may lose. */
const LEAST = 2 ** -149;
/** Above, a result may have become an infinity. */
const GREATEST = 2 ** 127;

/**
 * How far the float32 kernel may be from the float64 definition. Derived in docs/specs/kernel.md.
 *
 * The deepest chain of roundings through which a component passes is one for each 16 components
 * (four sums of four lanes), and a few at both ends; that many roundings bound the error relative
 * to the sum of magnitudes, which is the value itself for squares and |a||b| for products.
 */
export function errorBound({ metric, dimension, normProduct }: ErrorBoundOptions): ErrorBound {
  const roundings = (Math.ceil(dimension / 16) + 12) * ROUNDING;
  const relative = roundings / (1 - roundings);
  const underflow = (dimension + 16) * LEAST;
  switch (metric) {
    case "cosine":
      // Norms are taken out, with a rounding each; rows for which that fails go the wide way.
      return { relative: 0, absolute: relative + 8 * ROUNDING };
    case "euclidean":
      return { relative, absolute: underflow };
    case "dot":
      return normProduct < GREATEST
        ? { relative: 0, absolute: relative * normProduct + underflow }
        : { relative: 0, absolute: Infinity };
    default:
      return unreachable(metric);
  }
}

/**
 * The least limit such that every row whose float64 distance is at most `distance` has a float32
 * distance of at most the limit.
 */
export function floatLimit(distance: number, bound: ErrorBound): number {
  const limit = distance + Math.abs(distance) * bound.relative + bound.absolute;
  // Beyond the range of float32 everything is an infinity, of which some may be nearer.
  if (!(limit < GREATEST)) return Infinity;
  return limit + Math.abs(limit) * ROUNDING * 2 + LEAST;
}
