// From floats to codes and probes.

import { Codes, Search } from "./codes";
import { rotate } from "./rotation";

function greatest(vector: usize, length: u32): f32 {
  let most = f32x4.splat(0);
  const end = vector + (<usize>length << 2);
  for (; vector < end; vector += 16) most = f32x4.max(most, f32x4.abs(v128.load(vector)));
  return max<f32>(
    max<f32>(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
    max<f32>(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
  );
}

@inline
function whole(x: v128, factor: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(x, factor)));
}

/** The sum of the squares of the components. */
function squaredLength(vector: usize, length: u32): f32 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  const end = vector + (<usize>length << 2);
  for (; vector < end; vector += 32) {
    const a = v128.load(vector);
    const b = v128.load(vector, 16);
    s0 = f32x4.add(s0, f32x4.mul(a, a));
    s1 = f32x4.add(s1, f32x4.mul(b, b));
  }
  s0 = f32x4.add(s0, s1);
  return (
    f32x4.extract_lane(s0, 0) + f32x4.extract_lane(s0, 1) +
    (f32x4.extract_lane(s0, 2) + f32x4.extract_lane(s0, 3))
  );
}

/**
 * Encodes rows: `count` vectors of `codes.length` floats at `vectors`, which are rotated in place,
 * become the codes, scales and norms of the rows from `start` on. `isUnit`: as if each had length 1.
 */
export function encodeRows(
  codes: Codes, vectors: usize, start: u32, count: u32, isUnit: bool,
): void {
  const length = codes.length;
  for (let i: u32 = 0; i < count; i++) {
    const vector = vectors + <usize>i * (length << 2);
    rotate(vector, length, codes.window, codes.signs);
    const most = greatest(vector, length);
    const row = start + i;
    const factor = f32x4.splat(most > 0 ? <f32>127 / most : 0);
    let code = codes.codes + <usize>row * codes.stride;
    const end = vector + (<usize>length << 2);
    for (let at = vector; at < end; at += 64, code += 16) {
      const low = i16x8.narrow_i32x4_s(
        whole(v128.load(at), factor), whole(v128.load(at, 16), factor),
      );
      const high = i16x8.narrow_i32x4_s(
        whole(v128.load(at, 32), factor), whole(v128.load(at, 48), factor),
      );
      v128.store(code, i8x16.narrow_i16x8_s(low, high));
    }
    const squared = squaredLength(vector, length);
    const unit: f32 = isUnit && squared > 0 ? sqrt<f32>(squared) : 1;
    store<f32>(codes.scales + (<usize>row << 2), most / 127 / unit);
    if (codes.norms != 0) store<f32>(codes.norms + (<usize>row << 2), squared);
  }
}

/**
 * Makes the floats of a search its query; they are rotated in place. The greatest component becomes `componentMax`: the
 * largest with which no product with a code leaves 32 bits.
 */
export function quantiseQuery(codes: Codes, search: Search): void {
  const length = codes.length;
  const probe = search.query;
  let vector = search.vector;
  rotate(vector, length, codes.window, codes.signs);
  const most = greatest(vector, length);
  const componentMax = min<f32>(32000, <f32>(<u32>0x7fffffff / (128 * length)));
  const factor = f32x4.splat(most > 0 ? componentMax / most : 0);
  let to = probe.components;
  const end = vector + (<usize>length << 2);
  for (; vector < end; vector += 32, to += 16) {
    v128.store(to, i16x8.narrow_i32x4_s(
      whole(v128.load(vector), factor), whole(v128.load(vector, 16), factor),
    ));
  }
  probe.scale = (2 * most) / componentMax;
  probe.norm = codes.norms == 0 ? 0 : squaredLength(search.vector, length);
}

/** Rotates `count` vectors in place. */
export function rotateRows(codes: Codes, vectors: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    rotate(vectors + <usize>i * (codes.length << 2), codes.length, codes.window, codes.signs);
  }
}
