// What a row needs besides its components: the inverse of its norm, and the word that it is finite.

/** Norms outside have no useful float32 inverse, or overflow in the product: see `NaN` in Task. */
const NORM_MIN: f64 = 8.673617379884035e-19; // 2 ** -60
const NORM_MAX: f64 = 1.152921504606847e18; // 2 ** 60

/**
 * Writes the inverse norms of the rows `[start, end)`.
 * Returns the greatest norm among them: an infinity if any component is not finite, since no finite
 * ones sum to that in float64.
 */
export function finishRows(
  vectors: usize, inverseNorms: usize, strideBytes: u32, start: u32, end: u32,
): f64 {
  let greatest: f64 = 0;
  for (let row = start; row < end; row++) {
    const norm = sqrt<f64>(squaredNorm(vectors + <usize>row * strideBytes, strideBytes));
    let inverse = <f32>(1 / norm);
    if (norm == 0) inverse = 0;
    else if (!(norm >= NORM_MIN && norm <= NORM_MAX)) inverse = NaN;
    store<f32>(inverseNorms + (<usize>row << 2), inverse);
    // NaN compares false with everything, so it comes here too, and stays as an infinity.
    if (!(norm <= greatest)) greatest = norm < Infinity ? norm : Infinity;
  }
  return greatest;
}

function squaredNorm(row: usize, strideBytes: u32): f64 {
  let s0 = f64x2.splat(0);
  let s1 = s0;
  const end = row + strideBytes;
  for (; row < end; row += 16) {
    const low = f64x2.promote_low_f32x4(v128.load64_zero(row));
    const high = f64x2.promote_low_f32x4(v128.load64_zero(row, 8));
    s0 = f64x2.add(s0, f64x2.mul(low, low));
    s1 = f64x2.add(s1, f64x2.mul(high, high));
  }
  s0 = f64x2.add(s0, s1);
  return f64x2.extract_lane(s0, 0) + f64x2.extract_lane(s0, 1);
}

/** Whether none of `length` floats is NaN or infinite: x - x is 0 for all others. */
export function allFinite(pointer: usize, length: u32): bool {
  let bad = f32x4.splat(0);
  const end = pointer + (<usize>length << 2);
  const whole = pointer + ((<usize>length & ~3) << 2);
  for (; pointer < whole; pointer += 16) {
    const x = v128.load(pointer);
    bad = v128.or(bad, f32x4.sub(x, x));
  }
  // A zero difference has no bit set, and NaN has some.
  if (v128.any_true(bad)) return false;
  for (; pointer < end; pointer += 4) {
    const x = load<f32>(pointer);
    if (x - x != 0) return false;
  }
  return true;
}
