// A random rotation, so that the components of any vector become alike in size: what a single scale
// a row, or a single bit a component, needs in order to lose little. Four rounds of random signs and
// a fast Hadamard transform, on the first and the last power-of-two window in turn, so that any
// length that is a multiple of 16 does (RaBitQ, arXiv 2405.12497, section 3.1.1, needs any rotation).

/** Rounds of signs and transform: two pairs of windows mix every component with every other. */
const ROUNDS: u32 = 4;

/**
 * Rotates `length` floats in place. `signs` has `ROUNDS` * `length` floats; those under the window
 * of their round are scaled by 1 / sqrt(window), so that lengths stay what they are.
 */
export function rotate(vector: usize, length: u32, window: u32, signs: usize): void {
  for (let round: u32 = 0; round < ROUNDS; round++) {
    for (let at: usize = 0; at < <usize>length << 2; at += 16) {
      v128.store(vector + at, f32x4.mul(v128.load(vector + at), v128.load(signs + at)));
    }
    signs += <usize>length << 2;
    hadamard(vector + ((round & 1) == 0 ? 0 : <usize>(length - window) << 2), window);
  }
}

/** The Walsh-Hadamard transform of `length` floats, a power of two of at least 16; not scaled. */
function hadamard(vector: usize, length: u32): void {
  const end = vector + (<usize>length << 2);
  for (let at = vector; at < end; at += 16) {
    const x = v128.load(at);
    // (a+b, a-b, c+d, c-d), and then pairs of pairs.
    const pairs = f32x4.add(
      v128.shuffle<f32>(x, x, 0, 0, 2, 2),
      f32x4.mul(v128.shuffle<f32>(x, x, 1, 1, 3, 3), f32x4(1, -1, 1, -1)),
    );
    v128.store(at, f32x4.add(
      v128.shuffle<f32>(pairs, pairs, 0, 1, 0, 1),
      f32x4.mul(v128.shuffle<f32>(pairs, pairs, 2, 3, 2, 3), f32x4(1, 1, -1, -1)),
    ));
  }
  for (let half: usize = 16; half < <usize>length << 2; half <<= 1) {
    for (let block = vector; block < end; block += half << 1) {
      for (let at = block; at < block + half; at += 16) {
        const a = v128.load(at);
        const b = v128.load(at + half);
        v128.store(at, f32x4.add(a, b));
        v128.store(at + half, f32x4.sub(a, b));
      }
    }
  }
}
