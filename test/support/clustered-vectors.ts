import type { Random } from "../../src/base/random.ts";

/** Clusters in few directions of many, as embeddings are. */
export function clusteredVectors(random: Random, count: number, dimension: number): Float32Array[] {
  const normal = (): number =>
    Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const intrinsic = Math.min(24, dimension);
  const axes = Array.from({ length: intrinsic }, () =>
    Float32Array.from({ length: dimension }, normal),
  );
  const centres = Array.from({ length: 40 }, () => Array.from({ length: intrinsic }, normal));
  return Array.from({ length: count }, () => {
    const centre = centres[Math.floor(random.next() * centres.length)]!;
    const vector = new Float32Array(dimension);
    axes.forEach((axis, i) => {
      const at = centre[i]! + normal();
      axis.forEach((x, j) => (vector[j]! += at * x));
    });
    return vector;
  });
}
