/*
 * The definition of codes, in float64 and one component at a time: what the kernel's rotation and
 * quantisation are held to by property tests. Never fast.
 */

/** A rotation: rounds of signs, and the power-of-two window that each transforms. */
export interface Rotation {
  readonly length: number;
  readonly window: number;
  /** By round and component; those under the window of their round divided by its root. */
  readonly signs: Float32Array;
}

/** Signs and a Walsh-Hadamard transform, on the first and the last window in turn. */
export function rotate(vector: ArrayLike<number>, rotation: Rotation): Float64Array {
  const { length, window, signs } = rotation;
  const rotated = Float64Array.from({ length }, (_, i) => vector[i] ?? 0);
  for (let round = 0; round * length < signs.length; round++) {
    for (let i = 0; i < length; i++) rotated[i]! *= signs[round * length + i]!;
    const first = round % 2 === 0 ? 0 : length - window;
    for (let half = 1; half < window; half *= 2) {
      for (let i = 0; i < window; i++) {
        if ((i & half) !== 0) continue;
        const [a, b] = [rotated[first + i]!, rotated[first + i + half]!];
        rotated[first + i] = a + b;
        rotated[first + i + half] = a - b;
      }
    }
  }
  return rotated;
}

/** Whole components of at most `most` in magnitude, and by what they are multiplied. */
export interface Quantised {
  readonly components: Int32Array;
  readonly scale: number;
}

/** The greatest component becomes `most`, and the others whole parts of that. */
export function quantise(vector: ArrayLike<number>, most: number): Quantised {
  let greatest = 0;
  for (let i = 0; i < vector.length; i++) greatest = Math.max(greatest, Math.abs(vector[i]!));
  const scale = greatest / most;
  const factor = greatest > 0 ? most / greatest : 0;
  const components = Int32Array.from({ length: vector.length }, (_, i) =>
    Math.round(vector[i]! * factor),
  );
  return { components, scale };
}

/** A residual by the signs of its components (RaBitQ, arXiv 2405.12497, section 3). */
export interface SignCode {
  /** Whether each component is above zero. */
  readonly signs: readonly boolean[];
  /** A product with the signs, as ±1, times this estimates the product with the residual. */
  readonly factor: number;
  /** Standard deviation of that estimate, for a vector of length 1. */
  readonly error: number;
}

/** The signs of a rotated residual. */
export function signCode(residual: ArrayLike<number>): SignCode {
  const { length } = residual;
  const components = Array.from(residual);
  const squared = components.reduce((sum, x) => sum + x * x, 0);
  const size = components.reduce((sum, x) => sum + Math.abs(x), 0);
  const signs = components.map((x) => x > 0);
  if (squared === 0) return { signs, factor: 0, error: 0 };
  const held = Math.min(1, size ** 2 / (squared * length));
  const error = Math.sqrt((squared * (1 - held)) / (held * (length - 1)));
  return { signs, factor: squared / size, error };
}
