// Estimated distances between a probe and coded rows.
//
// A kind `K` of distance is a switch at compile time: i32 for metrics where all lengths are alike
// (-2 a·b), f32 for the squared distance (|a|² + |b|² - 2 a·b).

import { Codes, Probe } from "./codes";
import { productFour, productOne } from "./int8";

@inline
export function codeOf(codes: Codes, row: u32): usize {
  return codes.codes + <usize>row * codes.stride;
}

@inline
export function scaleOf(codes: Codes, row: u32): f32 {
  return load<f32>(codes.scales + (<usize>row << 2));
}

@inline
export function normOf(codes: Codes, row: u32): f32 {
  return load<f32>(codes.norms + (<usize>row << 2));
}

@inline
export function distanceOne<K>(codes: Codes, probe: Probe, row: u32): f32 {
  const product = <f32>productOne(probe.components, codeOf(codes, row), codes.length);
  const distance = -product * scaleOf(codes, row) * probe.scale;
  return isFloat<K>() ? distance + normOf(codes, row) + probe.norm : distance;
}

@inline
export function distanceFour<K>(codes: Codes, probe: Probe, a: u32, b: u32, c: u32, d: u32): v128 {
  const products = f32x4.convert_i32x4_s(
    productFour(
      probe.components, codeOf(codes, a), codeOf(codes, b), codeOf(codes, c), codeOf(codes, d),
      codes.length,
    ),
  );
  const scales = f32x4(
    scaleOf(codes, a), scaleOf(codes, b), scaleOf(codes, c), scaleOf(codes, d),
  );
  const distances = f32x4.mul(f32x4.mul(f32x4.neg(products), scales), f32x4.splat(probe.scale));
  if (!isFloat<K>()) return distances;
  const norms = f32x4(normOf(codes, a), normOf(codes, b), normOf(codes, c), normOf(codes, d));
  return f32x4.add(f32x4.add(distances, norms), f32x4.splat(probe.norm));
}

/** Loads a word of each cache line of the codes listed: there is no prefetch in WebAssembly. */
@inline
export function touchCodes(codes: Codes, list: usize, count: u32): void {
  const end = list + (<usize>count << 2);
  const stride = codes.stride;
  for (; list < end; list += 4) {
    const code = codeOf(codes, load<u32>(list));
    for (let line: u32 = 0; line < stride; line += 64) load<u8>(code + line);
  }
}
