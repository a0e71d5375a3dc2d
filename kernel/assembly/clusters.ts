// Rows in clusters, one bit a component: the sign of the rotated residual, from which products are
// estimated with a known error (RaBitQ, arXiv 2405.12497, section 3). Blocks of 32 rows are summed by
// table look-up (FastScan, André and others, VLDB 2015, section 4): about 3 ns a row of 384.

import { distanceFour, touchCodes } from "./code-distance";
import { Clusters, Sweep } from "./codes";
import { dotFour } from "./distance";
import { entryDistance, insertEntry } from "./entries";

const BLOCK_ROWS: u32 = 32;
/** Groups of four components whose sums fit 16 bits. */
const GROUPS_AT_ONCE: u32 = 256;

@inline
function wordAt(words: usize, index: u32): u32 {
  return load<u32>(words + (<usize>index << 2));
}

/** Distances of four centroids, less what all of them have in common. */
@inline
function centroidsFour(clusters: Clusters, vector: usize, index: u32): v128 {
  const bytes = clusters.length << 2;
  const first = clusters.centroids + <usize>index * bytes;
  const products = dotFour(
    vector, first, first + bytes, first + 2 * bytes, first + 3 * bytes, bytes,
  );
  const norms = v128.load(clusters.centroidNorms + (<usize>index << 2));
  return f32x4.sub(norms, f32x4.add(products, products));
}

/** The nearest cluster of each of `count` rotated vectors, into u32 `nearest`, f32 `distances`. */
export function assignClusters(
  clusters: Clusters, vectors: usize, count: u32, nearest: usize, distances: usize,
): void {
  for (let i: u32 = 0; i < count; i++) {
    const vector = vectors + <usize>i * (clusters.length << 2);
    let best: f32 = Infinity;
    let found: u32 = 0;
    for (let index: u32 = 0; index < clusters.count; index += 4) {
      const four = centroidsFour(clusters, vector, index);
      if (!v128.any_true(f32x4.lt(four, f32x4.splat(best)))) continue;
      v128.store(distances + (<usize>i << 2), four);
      for (let lane: u32 = 0; lane < 4; lane++) {
        const distance = load<f32>(distances + (<usize>(i + lane) << 2));
        if (distance < best) {
          best = distance;
          found = index + lane;
        }
      }
    }
    store<u32>(nearest + (<usize>i << 2), found);
    store<f32>(distances + (<usize>i << 2), best);
  }
}

/** Writes a block: `count` rotated vectors of a cluster, which become their residuals. */
export function encodeBlock(
  clusters: Clusters, cluster: u32, block: u32, vectors: usize, count: u32,
): void {
  const length = clusters.length;
  const groups = length >> 2;
  const bytes = <usize>length << 2;
  const centroid = clusters.centroids + cluster * bytes;
  const to = clusters.blocks + <usize>block * clusters.blockBytes;
  memory.fill(to, 0, clusters.blockBytes);
  const factors = to + (<usize>groups << 4);
  for (let row: u32 = 0; row < count; row++) {
    const vector = vectors + row * bytes;
    const shift = row < 16 ? 0 : 4;
    const column = to + (row & 15);
    let squares = f32x4.splat(0);
    let sizes = squares;
    for (let group: u32 = 0; group < groups; group++) {
      const at = <usize>group << 4;
      const residual = f32x4.sub(v128.load(vector + at), v128.load(centroid + at));
      squares = f32x4.add(squares, f32x4.mul(residual, residual));
      sizes = f32x4.add(sizes, f32x4.abs(residual));
      const signs = i32x4.bitmask(f32x4.gt(residual, f32x4.splat(0)));
      store<u8>(column + at, <u8>(<u32>load<u8>(column + at) | (<u32>signs << shift)));
    }
    const squared = sumLanes(squares);
    const size = sumLanes(sizes);
    if (squared == 0) continue;
    // The cosine between the residual and its signs, squared: how much of it they hold.
    const held = min<f32>(1, (size * size) / (squared * <f32>length));
    store<f32>(factors + (<usize>row << 2), squared / size);
    const error = sqrt<f32>((squared * (1 - held)) / (held * <f32>(length - 1)));
    store<f32>(factors + (<usize>(row + BLOCK_ROWS) << 2), error);
  }
}

@inline
function sumLanes(v: v128): f32 {
  return (
    f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) +
    (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
  );
}

/** Makes the table of a rotated query, once for all clusters. */
export function prepareSweep(clusters: Clusters, sweep: Sweep): void {
  const length = clusters.length;
  const end = sweep.vector + (<usize>length << 2);
  let most: f32 = 0;
  let total: f32 = 0;
  let squares = f32x4.splat(0);
  for (let at = sweep.vector; at < end; at += 16) {
    const four = v128.load(at);
    const size = sumLanes(f32x4.abs(four));
    most = max<f32>(most, size);
    total += size;
    squares = f32x4.add(squares, f32x4.mul(four, four));
  }
  const scale: f32 = most > 0 ? <f32>255 / (2 * most) : 0;
  sweep.tableScale = most > 0 ? (2 * most) / 255 : 0;
  sweep.tableOffset = -total;
  sweep.norm = sqrt<f32>(sumLanes(squares));
  let to = sweep.table;
  for (let at = sweep.vector; at < end; at += 16, to += 16) {
    const four = v128.load(at);
    const a = v128.shuffle<f32>(four, four, 0, 0, 0, 0);
    const b = v128.shuffle<f32>(four, four, 1, 1, 1, 1);
    // Signs of the first two components by lane, those of the last two by vector.
    const low = f32x4.add(
      f32x4.add(f32x4.mul(a, f32x4(-1, 1, -1, 1)), f32x4.mul(b, f32x4(-1, -1, 1, 1))),
      f32x4.splat(sumLanes(f32x4.abs(four))),
    );
    const c = f32x4.extract_lane(four, 2);
    const d = f32x4.extract_lane(four, 3);
    v128.store(to, i8x16.narrow_i16x8_u(
      i16x8.narrow_i32x4_s(entryOf(low, -c - d, scale), entryOf(low, c - d, scale)),
      i16x8.narrow_i32x4_s(entryOf(low, d - c, scale), entryOf(low, c + d, scale)),
    ));
  }
}

@inline
function entryOf(low: v128, high: f32, scale: f32): v128 {
  return i32x4.trunc_sat_f32x4_s(
    f32x4.nearest(f32x4.mul(f32x4.add(low, f32x4.splat(high)), f32x4.splat(scale))),
  );
}

/** The nearest `width` clusters of a rotated query, in order. Returns how many. */
export function probeClusters(clusters: Clusters, sweep: Sweep, width: u32): u32 {
  const probes = sweep.probes;
  let size: u32 = 0;
  let worst: f32 = Infinity;
  for (let index: u32 = 0; index < clusters.count; index += 4) {
    const four = centroidsFour(clusters, sweep.vector, index);
    let near = i32x4.bitmask(f32x4.lt(four, f32x4.splat(worst)));
    if (near == 0) continue;
    v128.store(sweep.sums, four);
    for (; near != 0; near &= near - 1) {
      const lane = ctz(near);
      const distance = load<f32>(sweep.sums + (<usize>lane << 2));
      if (!(distance < worst)) continue;
      insertEntry(probes, size, width, distance, index + lane);
      if (size < width) size++;
      if (size == width) worst = entryDistance(probes, size - 1);
    }
  }
  return size;
}

/** Adds the table entries of a block: 32 u32, in order of rows. */
@inline
function sumBlock(block: usize, table: usize, groups: u32, sums: usize): void {
  for (let i: usize = 0; i < 128; i += 16) v128.store(sums + i, i32x4.splat(0));
  const half = i8x16.splat(15);
  while (groups > 0) {
    const count = min<u32>(groups, GROUPS_AT_ONCE);
    const end = block + (<usize>count << 4);
    // Pairs of bytes are added as 16 bits; the odd ones are counted apart and taken out after.
    let a0 = i16x8.splat(0);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    for (; block < end; block += 16, table += 16) {
      const signs = v128.load(block);
      const values = v128.load(table);
      const a = i8x16.swizzle(values, v128.and(signs, half));
      const b = i8x16.swizzle(values, i8x16.shr_u(signs, 4));
      a0 = i16x8.add(a0, a);
      a1 = i16x8.add(a1, i16x8.shr_u(a, 8));
      b0 = i16x8.add(b0, b);
      b1 = i16x8.add(b1, i16x8.shr_u(b, 8));
    }
    a0 = i16x8.sub(a0, i16x8.shl(a1, 8));
    b0 = i16x8.sub(b0, i16x8.shl(b1, 8));
    addSums(sums, v128.shuffle<i16>(a0, a1, 0, 8, 1, 9, 2, 10, 3, 11));
    addSums(sums + 32, v128.shuffle<i16>(a0, a1, 4, 12, 5, 13, 6, 14, 7, 15));
    addSums(sums + 64, v128.shuffle<i16>(b0, b1, 0, 8, 1, 9, 2, 10, 3, 11));
    addSums(sums + 96, v128.shuffle<i16>(b0, b1, 4, 12, 5, 13, 6, 14, 7, 15));
    groups -= count;
  }
}

@inline
function addSums(sums: usize, eight: v128): void {
  v128.store(sums, i32x4.add(v128.load(sums), i32x4.extend_low_i16x8_u(eight)));
  v128.store(sums, i32x4.add(v128.load(sums, 16), i32x4.extend_high_i16x8_u(eight)), 16);
}

/**
 * Looks at the clusters that the probes from `start` to `end` name, and adds what is near to the
 * `size` entries there are, of at most `width`. A row is compared by its code when it may be nearer
 * than the `k`-th entry: its estimate less `epsilon` times its error. `mask`: bits of the rows that
 * take part, with 8 bytes behind them; 0 for all. Returns how many entries there are.
 */
export function sweepClusters(
  clusters: Clusters, sweep: Sweep, start: u32, end: u32, size: u32, width: u32, k: u32,
  epsilon: f32, mask: usize,
): u32 {
  return clusters.norms == 0
    ? sweepKind<i32>(clusters, sweep, start, end, size, width, k, epsilon, mask)
    : sweepKind<f32>(clusters, sweep, start, end, size, width, k, epsilon, mask);
}

@inline
function sweepKind<K>(
  clusters: Clusters, sweep: Sweep, start: u32, end: u32, size: u32, width: u32, k: u32,
  epsilon: f32, mask: usize,
): u32 {
  const groups = clusters.length >> 2;
  const slack = f32x4.splat(epsilon * sweep.norm);
  for (let probe = start; probe < end; probe++) {
    const cluster = load<u32>(sweep.probes + (<usize>probe << 3), 4);
    // The product with the centroid, from its distance.
    const norm = load<f32>(clusters.centroidNorms + (<usize>cluster << 2));
    const product = (norm - entryDistance(sweep.probes, probe)) / 2;
    const lastRow = wordAt(clusters.rowStarts, cluster + 1);
    let row = wordAt(clusters.rowStarts, cluster);
    let block = clusters.blocks + <usize>wordAt(clusters.blockStarts, cluster) * clusters.blockBytes;
    for (; row < lastRow; row += BLOCK_ROWS, block += clusters.blockBytes) {
      const bits = rowBits(row, lastRow, mask);
      if (bits == 0) continue;
      sumBlock(block, sweep.table, groups, sweep.sums);
      const worst: f32 = size < k ? Infinity : entryDistance(sweep.entries, k - 1);
      const count = listNear<K>(
        clusters, sweep, block + (<usize>groups << 4), row, bits, product, slack, worst,
      );
      size = compareListed<K>(clusters, sweep, count, size, width);
    }
  }
  return size;
}

/** Which of 32 rows from `row` on take part. */
@inline
function rowBits(row: u32, lastRow: u32, mask: usize): u32 {
  const left = lastRow - row;
  const inside: u32 = left >= BLOCK_ROWS ? <u32>-1 : (<u32>1 << left) - 1;
  if (mask == 0) return inside;
  return <u32>(load<u64>(mask + (row >> 3)) >> (row & 7)) & inside;
}

/** Lists the rows of a block that may be nearer than `worst`. */
@inline
function listNear<K>(
  clusters: Clusters, sweep: Sweep, factors: usize, row: u32, bits: u32,
  product: f32, slack: v128, worst: f32,
): u32 {
  const list = sweep.list;
  const scale = f32x4.splat(sweep.tableScale);
  const offset = f32x4.splat(sweep.tableOffset);
  let near: u32 = 0;
  for (let lane: u32 = 0; lane < BLOCK_ROWS; lane += 4) {
    const at = <usize>lane << 2;
    const sums = f32x4.convert_i32x4_u(v128.load(sweep.sums + at));
    const estimate = f32x4.add(
      f32x4.splat(product),
      f32x4.mul(v128.load(factors + at), f32x4.add(f32x4.mul(sums, scale), offset)),
    );
    const most = f32x4.add(estimate, f32x4.mul(slack, v128.load(factors + at, 128)));
    let least = f32x4.neg(f32x4.add(most, most));
    if (isFloat<K>()) {
      const norms = v128.load(clusters.norms + (<usize>(row + lane) << 2));
      least = f32x4.add(f32x4.add(least, norms), f32x4.splat(sweep.query.norm));
    }
    near |= <u32>i32x4.bitmask(f32x4.lt(least, f32x4.splat(worst))) << lane;
  }
  let count: u32 = 0;
  for (near &= bits; near != 0; near &= near - 1) {
    store<u32>(list + (<usize>count << 2), row + ctz(near));
    count++;
  }
  return count;
}

/** Compares the listed rows by their codes. */
@inline
function compareListed<K>(
  clusters: Clusters, sweep: Sweep, count: u32, size: u32, width: u32,
): u32 {
  if (count == 0) return size;
  const list = sweep.list;
  sweep.distanceCount += count;
  touchCodes(clusters, list, count);
  let worst: f32 = size < width ? Infinity : entryDistance(sweep.entries, size - 1);
  for (let i: u32 = 0; i < count; i += 4) {
    const from = list + (<usize>i << 2);
    // Behind the last are rows of earlier lists: valid, and not looked at.
    const found = distanceFour<K>(
      clusters, sweep.query,
      load<u32>(from), load<u32>(from, 4), load<u32>(from, 8), load<u32>(from, 12),
    );
    let near = i32x4.bitmask(f32x4.lt(found, f32x4.splat(worst)));
    if (count - i < 4) near &= (1 << (count - i)) - 1;
    if (near == 0) continue;
    v128.store(sweep.sums, found);
    for (; near != 0; near &= near - 1) {
      const lane = <usize>ctz(near) << 2;
      const distance = load<f32>(sweep.sums + lane);
      if (!(distance < worst)) continue;
      insertEntry(sweep.entries, size, width, distance, load<u32>(from + lane));
      if (size < width) size++;
      if (size == width) worst = entryDistance(sweep.entries, size - 1);
    }
  }
  return size;
}
