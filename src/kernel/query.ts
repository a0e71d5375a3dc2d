import { invalid } from "../base/errors.ts";
import type { Metric } from "./metric.ts";
import { norm } from "./oracle.ts";

/** A query as the kernel wants it. */
export interface PreparedQuery {
  /** Padded with zeros to the stride. For cosine scaled by a power of two, its norm in [1, 2). */
  readonly components: Float32Array;
  /** 1 / norm of `components`; 0 for a zero query. */
  readonly inverse: number;
  /** The norm of the query as it was given. */
  readonly norm: number;
}

/** A query, and the shape of the rows that it meets. */
export interface PrepareQueryOptions {
  readonly metric: Metric;
  readonly query: Float32Array;
  readonly dimension: number;
  readonly stride: number;
}

/**
 * Copies, checks and pads a query. A power of two changes no bit of a mantissa, so that the scaled
 * query has the same cosines, and products that stay within float32 whatever the query's length.
 */
export function prepareQuery(options: PrepareQueryOptions): PreparedQuery {
  const { metric, query, dimension, stride } = options;
  if (query.length !== dimension) {
    throw invalid(`query has ${query.length} components, the vectors have ${dimension}`);
  }
  const length = norm(query);
  if (!Number.isFinite(length)) throw invalid("query has a component that is not finite");
  const components = new Float32Array(stride);
  components.set(query);
  if (metric !== "cosine" || length === 0) return { components, inverse: 0, norm: length };
  const scale = 2 ** -Math.floor(Math.log2(length));
  if (scale !== 1) for (let i = 0; i < dimension; i++) components[i] = query[i]! * scale;
  return { components, inverse: 1 / norm(components), norm: length };
}
