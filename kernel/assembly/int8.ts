// Products of int16 queries and int8 codes. Lengths are multiples of 16. Sums are exact: whoever
// makes a query bounds its components so that no sum leaves 32 bits (`quantiseQuery`).

@inline
function step(sum: v128, query: v128, code: usize): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(query, v128.load_ext<i8>(code)));
}

@inline
function sumLanes(v: v128): i32 {
  return (
    i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) +
    (i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3))
  );
}

/** The sum over components of query times code. */
@inline
export function productOne(query: usize, code: usize, length: u32): i32 {
  let s0 = i32x4.splat(0);
  let s1 = s0;
  const end = code + length;
  while (code < end) {
    s0 = step(s0, v128.load(query), code);
    s1 = step(s1, v128.load(query, 16), code + 8);
    code += 16;
    query += 32;
  }
  return sumLanes(i32x4.add(s0, s1));
}

/** `productOne` of four codes: the query is loaded once, and four cache misses are in flight. */
@inline
export function productFour(
  query: usize, a: usize, b: usize, c: usize, d: usize, length: u32,
): v128 {
  let sa = i32x4.splat(0);
  let sb = sa;
  let sc = sa;
  let sd = sa;
  const end = a + length;
  while (a < end) {
    const x = v128.load(query);
    sa = step(sa, x, a);
    sb = step(sb, x, b);
    sc = step(sc, x, c);
    sd = step(sd, x, d);
    const y = v128.load(query, 16);
    sa = step(sa, y, a + 8);
    sb = step(sb, y, b + 8);
    sc = step(sc, y, c + 8);
    sd = step(sd, y, d + 8);
    a += 16;
    b += 16;
    c += 16;
    d += 16;
    query += 32;
  }
  const ab = i32x4.add(
    v128.shuffle<i32>(sa, sb, 0, 1, 4, 5), v128.shuffle<i32>(sa, sb, 2, 3, 6, 7),
  );
  const cd = i32x4.add(
    v128.shuffle<i32>(sc, sd, 0, 1, 4, 5), v128.shuffle<i32>(sc, sd, 2, 3, 6, 7),
  );
  return i32x4.add(
    v128.shuffle<i32>(ab, cd, 0, 2, 4, 6), v128.shuffle<i32>(ab, cd, 1, 3, 5, 7),
  );
}
