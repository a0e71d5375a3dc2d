import { concatBytes } from "../../src/base/bytes.ts";
import type { Draw } from "./draw.ts";

/*
 * Damage that knows nothing of what it damages, but that numbers stand at multiples of 2, 4 and 8
 * and that lengths are what decoders believe too easily.
 */

type Bytes = Uint8Array<ArrayBuffer>;

const FLOATS = [NaN, Infinity, -Infinity, -0, 1e-45, 3.4e38, -1, 0.5];

/** One to four changes; `other` is what pieces may be taken from. The input stays as it is. */
export function mutateBytes(bytes: Uint8Array, draw: Draw, other: Uint8Array = bytes): Bytes {
  let changed: Bytes = new Uint8Array(bytes);
  for (let left = draw.between(1, 4); left > 0; left--) changed = change(changed, draw, other);
  return changed;
}

function change(bytes: Bytes, draw: Draw, other: Uint8Array): Bytes {
  const place = draw.below(bytes.byteLength);
  const some = draw.between(1, draw.chance(0.8) ? 16 : Math.max(1, bytes.byteLength));
  const end = Math.min(bytes.byteLength, place + some);
  return draw.one<Bytes>(
    [4, () => number(bytes, draw)],
    [2, () => flip(bytes, draw)],
    [1, () => bytes.slice(0, place)],
    [1, () => bytes.fill(draw.pick([0, 0xff, 0x80, 0x7f]), place, end)],
    [1, () => bytes.copyWithin(draw.below(bytes.byteLength), place, end)],
    [1, () => join(bytes.subarray(0, place), bytes.subarray(end))],
    [1, () => join(bytes.subarray(0, place), draw.bytes(some % 64), bytes.subarray(place))],
    [1, () => join(bytes, bytes.subarray(place, end))],
    [1, () => splice(bytes, draw, other)],
  );
}

function join(...parts: readonly Uint8Array[]): Bytes {
  return concatBytes(parts) as Bytes;
}

function flip(bytes: Bytes, draw: Draw): Bytes {
  if (bytes.byteLength > 0) bytes[draw.below(bytes.byteLength)]! ^= 1 << draw.below(8);
  return bytes;
}

function splice(bytes: Bytes, draw: Draw, other: Uint8Array): Bytes {
  const from = draw.below(other.byteLength);
  const part = other.subarray(from, from + draw.between(1, 64));
  bytes.set(part.subarray(0, Math.max(0, bytes.byteLength - from)), Math.min(from, bytes.length));
  return bytes;
}

/** Overwrites one number, of any width, with one that decoders may stumble over. */
function number(bytes: Bytes, draw: Draw): Bytes {
  const width = draw.pick([1, 2, 4, 4, 4, 8]);
  const places = Math.floor(bytes.byteLength / width);
  if (places === 0) return bytes;
  const isAligned = draw.chance(0.9);
  const at = isAligned ? draw.below(places) * width : draw.below(bytes.byteLength - width + 1);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width >= 4 && draw.chance(0.15)) {
    const value = draw.pick(FLOATS);
    if (width === 4) view.setFloat32(at, value, true);
    else view.setFloat64(at, value, true);
  } else if (width === 8) view.setBigInt64(at, wideNumber(view.getBigInt64(at, true), draw), true);
  else if (width === 4)
    view.setUint32(at, narrowNumber(view.getUint32(at, true), bytes, draw), true);
  else if (width === 2)
    view.setUint16(at, narrowNumber(view.getUint16(at, true), bytes, draw), true);
  else view.setUint8(at, narrowNumber(view.getUint8(at), bytes, draw));
  return bytes;
}

function wideNumber(current: bigint, draw: Draw): bigint {
  const fixed = [0n, 1n, -1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 62n, -(2n ** 63n)];
  return draw.chance(0.5) ? current + BigInt(draw.between(-64, 64)) : draw.pick(fixed);
}

function narrowNumber(current: number, { byteLength }: Bytes, draw: Draw): number {
  const fixed = [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 2 ** 24, 2 ** 31 - 1, 2 ** 31];
  const near = [byteLength, byteLength - 1, byteLength + 1, byteLength >> 2, byteLength >> 3];
  const value = draw.one(
    [4, () => current + draw.pick([-1, 1, -4, 4, 64, -64])],
    [1, () => current * 2],
    [1, () => 2 ** 32 - draw.between(1, 5)],
    [2, () => draw.pick(near)],
    [3, () => draw.pick(fixed)],
  );
  return value >>> 0;
}
