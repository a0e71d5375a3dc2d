/*
 * Vectors as embeddings are: a mixture of Gaussian clusters in a few dozen dimensions, projected to
 * many, normalised. The same seed makes the same rows; queries are rows that nobody stored.
 */

import { seededRandom } from "../../dist/base/random.js";

/** `rows` and `queries`, each one Float32Array of `dimension` components a vector. */
export function mixture({
  rows: rowCount,
  queries: queryCount,
  dimension,
  clusters = 1_000,
  intrinsic = 36,
  seed = 1,
}) {
  const random = seededRandom(seed);
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const axes = Float32Array.from({ length: intrinsic * dimension }, normal);
  const centres = Float32Array.from({ length: clusters * intrinsic }, normal);
  const make = (count) => {
    const vectors = new Float32Array(count * dimension);
    for (let i = 0; i < count; i++) {
      const vector = vectors.subarray(i * dimension, (i + 1) * dimension);
      const centre = Math.floor(random.next() * clusters) * intrinsic;
      for (let axis = 0; axis < intrinsic; axis++) {
        const at = centres[centre + axis] + normal();
        const first = axis * dimension;
        for (let j = 0; j < dimension; j++) vector[j] += at * axes[first + j];
      }
      let squared = 0;
      for (const x of vector) squared += x * x;
      const inverse = 1 / Math.sqrt(squared);
      for (let j = 0; j < dimension; j++) vector[j] *= inverse;
    }
    return vectors;
  };
  return { rows: make(rowCount), queries: make(queryCount) };
}
