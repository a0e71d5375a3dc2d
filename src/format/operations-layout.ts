import { corrupt } from "../base/errors.ts";
import { decodeBlobColumn, decodeRow, uint32View, type BlobColumn } from "./blob-column.ts";
import { alignUp } from "./container-layout.ts";
import { LANE_PATTERN, type LaneId } from "./version.ts";

/**
 * Operations as columns, in one run of bytes that starts at a multiple of 4.
 *
 *     head        0 count │ 4 lanes │ 8 dimension │ 12 vectors │ 16 columns (bits)
 *                 20 bytes of: ids │ content │ metadata │ attributes │ seen │ 40 zeros │ 64
 *     vectors     f32 × dimension × vectors, in the order of the operations that have one
 *     millis      low u32 × count, high u32 × count
 *     counter     u32 × count
 *     lane        u32 × count, into the dictionary
 *     flags       u8 × count: kind in bits 0-1; 2 content, 3 metadata, 4 attributes, 5 seen, 6 vector
 *     lanes       26 characters × lanes
 *     ids, then content, metadata, attributes and seen where any operation has one: blob columns
 *
 * Every part is padded with zeros to a multiple of 4. An operation whose flag is not set has an
 * empty row in the column, so that absent and empty differ.
 */
export const HEAD_BYTES = 64;
const LANE_CHARACTERS = 26;

/** By the number that stands for them in the flags of a row. */
export const KINDS = ["put", "patch", "delete"] as const;
/** The same the other way round. */
export const KIND_BITS = { put: 0, patch: 1, delete: 2 } as const;
/** The bits of the flags that are the kind. */
export const KIND_MASK = 3;
/** All flags there are. */
export const FLAGS_MAX = 127;
/** The row has content, which may be empty. */
export const HAS_CONTENT = 4;
/** The row has metadata. */
export const HAS_METADATA = 8;
/** The row has attributes. */
export const HAS_ATTRIBUTES = 16;
/** The row says which versions its author had read. */
export const HAS_SEEN = 32;
/** The row has a vector. */
export const HAS_VECTOR = 64;

/** The flags of the optional text columns, in file order. */
export const TEXT_FLAGS = [HAS_CONTENT, HAS_METADATA, HAS_ATTRIBUTES, HAS_SEEN] as const;

/** A block cut into its columns, which are views of its bytes. */
export interface BlockParts {
  readonly count: number;
  readonly dimension: number;
  readonly vectorCount: number;
  readonly vectors: Float32Array;
  /** Millis low, millis high, counter and lane, one column behind the other. */
  readonly versionColumns: Uint32Array;
  readonly flags: Uint8Array;
  readonly lanes: readonly LaneId[];
  readonly ids: BlobColumn;
  /** In the order of `TEXT_FLAGS`. */
  readonly texts: readonly (BlobColumn | undefined)[];
}

/** Cuts a block into its columns once their lengths are known to add up to its own. */
export function cutBlock(bytes: Uint8Array, where: string): BlockParts {
  if (bytes.byteLength < HEAD_BYTES) throw corrupt(where, "operations are cut off");
  const head = uint32View(bytes.subarray(0, HEAD_BYTES));
  const [count, laneCount, dimension, vectorCount, bits] = head as unknown as readonly [
    number,
    number,
    number,
    number,
    number,
  ];
  const vectorBytes = 4 * dimension * vectorCount;
  const columnBytes = (i: number): number => alignUp(4 * (count + 1) + head[5 + i]!, 4);
  const isPresent = TEXT_FLAGS.map((flag) => (bits & flag) !== 0);
  let length = HEAD_BYTES + vectorBytes + 16 * count + alignUp(count, 4);
  length += alignUp(LANE_CHARACTERS * laneCount, 4) + columnBytes(0);
  for (const [i, present] of isPresent.entries()) if (present) length += columnBytes(i + 1);
  if (
    length !== bytes.byteLength ||
    (bits & ~(HAS_CONTENT | HAS_METADATA | HAS_ATTRIBUTES | HAS_SEEN)) !== 0 ||
    (dimension === 0) !== (vectorCount === 0) ||
    vectorCount > count ||
    laneCount > count
  ) {
    throw corrupt(where, "the head of the operations holds impossible values");
  }
  let at = HEAD_BYTES;
  const take = (bytesCount: number): Uint8Array => {
    const part = bytes.subarray(at, at + bytesCount);
    at += alignUp(bytesCount, 4);
    return part;
  };
  const vectors = float32View(take(vectorBytes));
  const versionColumns = uint32View(take(16 * count));
  const flags = take(count);
  const lanes = splitLanes(take(LANE_CHARACTERS * laneCount), laneCount, where);
  const column = (i: number) =>
    decodeBlobColumn(take(4 * (count + 1) + head[5 + i]!), count, where);
  const ids = column(0);
  const texts = isPresent.map((present, i) => (present ? column(i + 1) : undefined));
  return { count, dimension, vectorCount, vectors, versionColumns, flags, lanes, ids, texts };
}

function splitLanes(bytes: Uint8Array, laneCount: number, where: string): LaneId[] {
  const text = decodeRow(bytes, where);
  const lanes: LaneId[] = [];
  for (let i = 0; i < laneCount; i++) {
    const lane = text.slice(i * LANE_CHARACTERS, (i + 1) * LANE_CHARACTERS);
    if (!LANE_PATTERN.test(lane)) throw corrupt(where, `not a lane: ${JSON.stringify(lane)}`);
    lanes.push(lane as LaneId);
  }
  if (new Set(lanes).size !== laneCount) throw corrupt(where, "a lane is listed twice");
  return lanes;
}

function float32View(bytes: Uint8Array): Float32Array {
  const count = bytes.byteLength / 4;
  if (bytes.byteOffset % 4 === 0) return new Float32Array(bytes.buffer, bytes.byteOffset, count);
  return new Float32Array(bytes.slice().buffer);
}
