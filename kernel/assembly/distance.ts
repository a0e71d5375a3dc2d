// Float32 distances over rows that are padded with zeros to a multiple of four floats.
//
// Four sums of four lanes break the chain of dependent additions. The one-row and the four-row
// form add in the same order, so a row's distance has the same bits however it was reached: equal
// rows tie exactly, and a masked scan agrees with an unmasked one.
//
// Measured (384-d, Zen 5 under Node 20, ns a row): one row at a time is faster over
// contiguous rows out of cache (46 against 66: the hardware prefetches one stream best), four at a
// time is faster over scattered rows (154 against 235: four misses are in flight).

import { COSINE, EUCLIDEAN } from "./task";

@inline
function add(a: v128, b: v128): v128 {
  return f32x4.add(a, b);
}

@inline
function dotStep(sum: v128, query: v128, row: usize): v128 {
  return f32x4.add(sum, f32x4.mul(query, v128.load(row)));
}

@inline
function squareStep(sum: v128, query: v128, row: usize): v128 {
  const difference = f32x4.sub(query, v128.load(row));
  return f32x4.add(sum, f32x4.mul(difference, difference));
}

@inline
function step<M>(sum: v128, query: v128, row: usize): v128 {
  return isFloat<M>() ? dotStep(sum, query, row) : squareStep(sum, query, row);
}

/** The sum of the lanes of each of four vectors, as the lanes of one. */
@inline
function sumLanes(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = add(
    v128.shuffle<f32>(a, b, 0, 1, 4, 5),
    v128.shuffle<f32>(a, b, 2, 3, 6, 7),
  );
  const cd = add(
    v128.shuffle<f32>(c, d, 0, 1, 4, 5),
    v128.shuffle<f32>(c, d, 2, 3, 6, 7),
  );
  return add(v128.shuffle<f32>(ab, cd, 0, 2, 4, 6), v128.shuffle<f32>(ab, cd, 1, 3, 5, 7));
}

/** `M` is f32 for the dot product and i32 for the squared distance: a switch at compile time. */
@inline
function one<M>(query: usize, row: usize, strideBytes: u32): f32 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  const end = row + strideBytes;
  const whole = row + (strideBytes & ~63);
  while (row < whole) {
    s0 = step<M>(s0, v128.load(query), row);
    s1 = step<M>(s1, v128.load(query, 16), row + 16);
    s2 = step<M>(s2, v128.load(query, 32), row + 32);
    s3 = step<M>(s3, v128.load(query, 48), row + 48);
    row += 64;
    query += 64;
  }
  while (row < end) {
    s0 = step<M>(s0, v128.load(query), row);
    row += 16;
    query += 16;
  }
  const sum = add(add(s0, s1), add(s2, s3));
  return (
    f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 2) +
    (f32x4.extract_lane(sum, 1) + f32x4.extract_lane(sum, 3))
  );
}

@inline
function four<M>(query: usize, a: usize, b: usize, c: usize, d: usize, strideBytes: u32): v128 {
  let a0 = f32x4.splat(0);
  let a1 = a0, a2 = a0, a3 = a0;
  let b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  let c0 = a0, c1 = a0, c2 = a0, c3 = a0;
  let d0 = a0, d1 = a0, d2 = a0, d3 = a0;
  const end = a + strideBytes;
  const whole = a + (strideBytes & ~63);
  while (a < whole) {
    let x = v128.load(query);
    a0 = step<M>(a0, x, a); b0 = step<M>(b0, x, b); c0 = step<M>(c0, x, c); d0 = step<M>(d0, x, d);
    x = v128.load(query, 16);
    a1 = step<M>(a1, x, a + 16); b1 = step<M>(b1, x, b + 16);
    c1 = step<M>(c1, x, c + 16); d1 = step<M>(d1, x, d + 16);
    x = v128.load(query, 32);
    a2 = step<M>(a2, x, a + 32); b2 = step<M>(b2, x, b + 32);
    c2 = step<M>(c2, x, c + 32); d2 = step<M>(d2, x, d + 32);
    x = v128.load(query, 48);
    a3 = step<M>(a3, x, a + 48); b3 = step<M>(b3, x, b + 48);
    c3 = step<M>(c3, x, c + 48); d3 = step<M>(d3, x, d + 48);
    a += 64; b += 64; c += 64; d += 64; query += 64;
  }
  while (a < end) {
    const x = v128.load(query);
    a0 = step<M>(a0, x, a); b0 = step<M>(b0, x, b); c0 = step<M>(c0, x, c); d0 = step<M>(d0, x, d);
    a += 16; b += 16; c += 16; d += 16; query += 16;
  }
  return sumLanes(
    add(add(a0, a1), add(a2, a3)),
    add(add(b0, b1), add(b2, b3)),
    add(add(c0, c1), add(c2, c3)),
    add(add(d0, d1), add(d2, d3)),
  );
}

/** The sum over components of query times row. */
export function dotOne(query: usize, row: usize, strideBytes: u32): f32 {
  return one<f32>(query, row, strideBytes);
}

/** The sum over components of the squared difference. */
export function squaredOne(query: usize, row: usize, strideBytes: u32): f32 {
  return one<i32>(query, row, strideBytes);
}

/** `dotOne` of four rows: four cache misses in flight, and the query is loaded once. */
export function dotFour(
  query: usize, a: usize, b: usize, c: usize, d: usize, strideBytes: u32,
): v128 {
  return four<f32>(query, a, b, c, d, strideBytes);
}

/** `squaredOne` of four rows. */
export function squaredFour(
  query: usize, a: usize, b: usize, c: usize, d: usize, strideBytes: u32,
): v128 {
  return four<i32>(query, a, b, c, d, strideBytes);
}

/**
 * The ordering distance in float64: no product of two floats overflows or underflows there. The
 * way out for what float32 cannot hold; some twenty times slower, and rare. A dot product or a
 * squared distance beyond float32 comes back as an infinity of the right sign.
 */
export function distanceWide(metric: i32, query: usize, row: usize, strideBytes: u32): f32 {
  let product: f64 = 0;
  let queryNorm: f64 = 0;
  let rowNorm: f64 = 0;
  let squared: f64 = 0;
  for (let at: u32 = 0; at < strideBytes; at += 4) {
    const x = <f64>load<f32>(query + at);
    const y = <f64>load<f32>(row + at);
    product += x * y;
    queryNorm += x * x;
    rowNorm += y * y;
    squared += (x - y) * (x - y);
  }
  if (metric == EUCLIDEAN) return <f32>squared;
  if (metric != COSINE) return <f32>-product;
  const norms = sqrt<f64>(queryNorm * rowNorm);
  return norms == 0 ? 1 : <f32>(1 - product / norms);
}
