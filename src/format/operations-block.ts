import { assert } from "../base/assert.ts";
import { encodeText } from "../base/bytes.ts";
import { corrupt } from "../base/errors.ts";
import { blobColumnBytes, decodeBlobColumn, decodeRow, packTexts } from "./blob-column.ts";
import { uint32View, writeBlobColumn } from "./blob-column.ts";
import type { BlobBatch } from "./blob-column.ts";
import { alignUp } from "./container-layout.ts";
import { decodeAttributes, encodeAttributes } from "./operation-attributes.ts";
import type { Attributes, Operation } from "./operation.ts";
import { COUNTER_MAX, LANE_PATTERN, isVersion, makeVersion } from "./version.ts";
import type { LaneId, Version } from "./version.ts";

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
const HEAD_BYTES = 64;
const LANE_CHARACTERS = 26;
const VERSION_CHARACTERS = 46;
const KINDS = ["put", "patch", "delete"] as const;
const KIND_BITS = { put: 0, patch: 1, delete: 2 } as const;
const HAS_SEEN = 32;
const HAS_VECTOR = 64;

/** Optional text columns, in file order, with their flag in `flags` and in the head. */
const TEXT_COLUMNS = [
  { flag: 4, textOf: (operation: Operation) => operation.content },
  { flag: 8, textOf: (operation: Operation) => operation.metadata },
  { flag: 16, textOf: (operation: Operation) => encodeAttributes(operation.attributes) },
  { flag: HAS_SEEN, textOf: (operation: Operation) => operation.seen?.join("") },
] as const;

/** A block whose length is known; `write` fills exactly that many zeroed bytes. */
export interface OperationsPlan {
  readonly length: number;
  write(target: Uint8Array<ArrayBuffer>): void;
}

/**
 * Measures and packs everything but the vectors, which `write` copies straight to their place.
 * The operations must not change in between.
 */
export function planOperations(operations: readonly Operation[]): OperationsPlan {
  const count = operations.length;
  const flags = new Uint8Array(count);
  let dimension = 0;
  let vectorCount = 0;
  for (let i = 0; i < count; i++) {
    const { kind, vector } = operations[i]!;
    flags[i] = KIND_BITS[kind];
    if (vector === undefined) continue;
    if (vectorCount === 0) dimension = vector.length;
    assert(vector.length === dimension && dimension > 0, "vectors of a block differ in dimension");
    flags[i]! |= HAS_VECTOR;
    vectorCount++;
  }
  const columns = [packTexts(operations.map((operation) => operation.id))];
  let columnBits = 0;
  const columnBytes = [columns[0]!.bytes.byteLength];
  for (const { flag, textOf } of TEXT_COLUMNS) {
    const column = packOptional(operations, flags, flag, textOf);
    columnBytes.push(column?.bytes.byteLength ?? 0);
    if (column === undefined) continue;
    columnBits |= flag;
    columns.push(column);
  }
  const versions = packVersions(operations);
  const lanes = encodeText(versions.lanes.join(""));
  const head = [count, versions.lanes.length, dimension, vectorCount, columnBits, ...columnBytes];
  const vectorBytes = 4 * dimension * vectorCount;
  let length = HEAD_BYTES + vectorBytes + versions.columns.byteLength;
  length += alignUp(count, 4) + alignUp(lanes.byteLength, 4);
  for (const column of columns) length += alignUp(blobColumnBytes(column), 4);
  return {
    length,
    write(target) {
      new Uint32Array(target.buffer, target.byteOffset, HEAD_BYTES / 4).set(head);
      let at = HEAD_BYTES;
      const vectors = new Float32Array(target.buffer, target.byteOffset + at, vectorBytes / 4);
      writeVectors(vectors, operations, dimension);
      at += vectorBytes;
      const put = (bytes: Uint8Array): void => {
        target.set(bytes, at);
        at += alignUp(bytes.byteLength, 4);
      };
      put(new Uint8Array(versions.columns.buffer));
      put(flags);
      put(lanes);
      for (const column of columns) {
        writeBlobColumn(target.subarray(at), column);
        at += alignUp(blobColumnBytes(column), 4);
      }
      assert(at === length && target.byteLength === length, "a block is not as long as planned");
    },
  };
}

function writeVectors(
  target: Float32Array,
  operations: readonly Operation[],
  dimension: number,
): void {
  let at = 0;
  for (const { vector } of operations) {
    if (vector === undefined) continue;
    target.set(vector, at);
    at += dimension;
  }
}

function packOptional(
  operations: readonly Operation[],
  flags: Uint8Array,
  flag: number,
  textOf: (operation: Operation) => string | undefined,
): BlobBatch | undefined {
  const texts: string[] = [];
  let isUsed = false;
  for (let i = 0; i < operations.length; i++) {
    const text = textOf(operations[i]!);
    texts.push(text ?? "");
    if (text === undefined) continue;
    flags[i]! |= flag;
    isUsed = true;
  }
  return isUsed ? packTexts(texts) : undefined;
}

/** Millis low, millis high, counter and lane, one column behind the other. */
function packVersions(operations: readonly Operation[]): {
  readonly columns: Uint32Array<ArrayBuffer>;
  readonly lanes: readonly string[];
} {
  const count = operations.length;
  const columns = new Uint32Array(4 * count);
  const lanes: string[] = [];
  const laneNumbers = new Map<string, number>();
  let lane = "";
  let laneNumber = -1;
  let millis = "";
  for (let i = 0; i < count; i++) {
    const { version } = operations[i]!;
    // Most versions of a block are of one lane and few milliseconds: what repeats is not cut out.
    if (laneNumber === -1 || !version.endsWith(lane)) {
      lane = version.slice(20);
      laneNumber = laneNumbers.get(lane) ?? lanes.push(lane) - 1;
      laneNumbers.set(lane, laneNumber);
    }
    if (i > 0 && version.startsWith(millis)) {
      columns[i] = columns[i - 1]!;
      columns[count + i] = columns[count + i - 1]!;
    } else {
      millis = version.slice(0, 12);
      columns[i] = Number.parseInt(millis.slice(4), 16);
      columns[count + i] = Number.parseInt(millis.slice(0, 4), 16);
    }
    columns[2 * count + i] = Number.parseInt(version.slice(13, 19), 16);
    columns[3 * count + i] = laneNumber;
  }
  return { columns, lanes };
}

/**
 * Checks every value, and every length before anything of that length is made. Vectors are views
 * of `bytes` where those start at a multiple of 4; content and metadata stay unparsed text.
 */
export function decodeOperations(bytes: Uint8Array, where: string): Operation[] {
  const parts = cut(bytes, where);
  const { count, dimension, vectors } = parts;
  const ids = parts.ids.texts();
  const [content, metadata, attributeTexts, seen] = parts.texts;
  const versions = decodeVersions(parts, where);
  const attributes = attributesReader(where);
  const operations: Operation[] = [];
  let vectorRow = 0;
  for (let i = 0; i < count; i++) {
    const flags = parts.flags[i]!;
    const kind = KINDS[flags & 3];
    if (kind === undefined || flags > 127) throw corrupt(where, `operation ${i} has no known kind`);
    if (
      kind === "delete" &&
      flags !== KIND_BITS.delete &&
      flags !== (KIND_BITS.delete | HAS_SEEN)
    ) {
      throw corrupt(where, `operation ${i} deletes and carries values`);
    }
    if (ids[i] === "") throw corrupt(where, `operation ${i} has no id`);
    let vector: Float32Array | undefined;
    if ((flags & HAS_VECTOR) !== 0) {
      if (vectorRow >= parts.vectorCount) throw corrupt(where, "vectors are missing");
      vector = vectors.subarray(vectorRow * dimension, (vectorRow + 1) * dimension);
      vectorRow++;
    }
    const attributesText = optional(attributeTexts, flags, 16, i, where);
    const seenText = optional(seen, flags, HAS_SEEN, i, where);
    operations.push({
      kind,
      version: versions[i]!,
      id: ids[i]!,
      vector,
      content: optional(content, flags, 4, i, where),
      metadata: optional(metadata, flags, 8, i, where),
      attributes: attributesText === undefined ? undefined : attributes(attributesText),
      seen: seenText === undefined ? undefined : splitVersions(seenText, where),
    });
  }
  if (vectorRow !== parts.vectorCount) throw corrupt(where, "vectors belong to no operation");
  return operations;
}

interface BlockParts {
  readonly count: number;
  readonly dimension: number;
  readonly vectorCount: number;
  readonly vectors: Float32Array;
  readonly versionColumns: Uint32Array;
  readonly flags: Uint8Array;
  readonly lanes: readonly LaneId[];
  readonly ids: { texts(): string[] };
  /** Content, metadata, attributes, seen. */
  readonly texts: readonly (readonly string[] | undefined)[];
}

/** Cuts a block into its columns once their lengths are known to add up to its own. */
function cut(bytes: Uint8Array, where: string): BlockParts {
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
  const isPresent = TEXT_COLUMNS.map(({ flag }) => (bits & flag) !== 0);
  let length = HEAD_BYTES + vectorBytes + 16 * count + alignUp(count, 4);
  length += alignUp(LANE_CHARACTERS * laneCount, 4) + columnBytes(0);
  for (const [i, present] of isPresent.entries()) if (present) length += columnBytes(i + 1);
  if (
    length !== bytes.byteLength ||
    (bits & ~(4 | 8 | 16 | HAS_SEEN)) !== 0 ||
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
  const texts = isPresent.map((present, i) => (present ? column(i + 1).texts() : undefined));
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

function decodeVersions({ count, versionColumns, lanes }: BlockParts, where: string): Version[] {
  const versions: Version[] = [];
  for (let i = 0; i < count; i++) {
    const high = versionColumns[count + i]!;
    const counter = versionColumns[2 * count + i]!;
    const lane = lanes[versionColumns[3 * count + i]!];
    if (high > 0xffff || counter > COUNTER_MAX || lane === undefined) {
      throw corrupt(where, `operation ${i} has an impossible version`);
    }
    versions.push(makeVersion(high * 2 ** 32 + versionColumns[i]!, counter, lane));
  }
  return versions;
}

function optional(
  column: readonly string[] | undefined,
  flags: number,
  flag: number,
  row: number,
  where: string,
): string | undefined {
  if ((flags & flag) !== 0) {
    if (column === undefined) throw corrupt(where, `operation ${row} misses its column`);
    return column[row];
  }
  if (column !== undefined && column[row] !== "") {
    throw corrupt(where, `operation ${row} has a value that its flags deny`);
  }
  return undefined;
}

/** Few attributes differ within a block, so each text is parsed once and its value shared. */
function attributesReader(where: string): (text: string) => Attributes {
  const known = new Map<string, Attributes>();
  return (text) => {
    let attributes = known.get(text);
    if (attributes === undefined) known.set(text, (attributes = decodeAttributes(text, where)));
    return attributes;
  };
}

function splitVersions(text: string, where: string): Version[] {
  const versions: Version[] = [];
  for (let at = 0; at < text.length; at += VERSION_CHARACTERS) {
    const version = text.slice(at, at + VERSION_CHARACTERS);
    if (!isVersion(version)) throw corrupt(where, `not a version: ${JSON.stringify(version)}`);
    versions.push(version);
  }
  return versions;
}

function float32View(bytes: Uint8Array): Float32Array {
  const count = bytes.byteLength / 4;
  if (bytes.byteOffset % 4 === 0) return new Float32Array(bytes.buffer, bytes.byteOffset, count);
  return new Float32Array(bytes.slice().buffer);
}
