import { assert } from "../base/assert.ts";
import { encodeText } from "../base/bytes.ts";
import { blobColumnBytes, packTexts, writeBlobColumn, type BlobBatch } from "./blob-column.ts";
import { alignUp } from "./container-layout.ts";
import { DraftColumns } from "./draft-columns.ts";
import type { Operation } from "./operation.ts";
import { HEAD_BYTES, TEXT_FLAGS } from "./operations-layout.ts";
import type { LaneId } from "./version.ts";

/** A block whose length is known; `write` fills exactly that many zeroed bytes. */
export interface OperationsPlan {
  readonly length: number;
  write(target: Uint8Array<ArrayBuffer>): void;
}

/** The versions of a block's rows: millis low, millis high, counter, lane; one column each. */
export interface VersionColumns {
  readonly columns: Uint32Array<ArrayBuffer>;
  readonly lanes: readonly string[];
}

/** Versions that follow each other: one lane, one millisecond, counters from `counter` on. */
export interface VersionRun {
  readonly lane: LaneId;
  readonly millis: number;
  readonly counter: number;
}

/** The same from operations that have their versions. */
export function planOperations(operations: readonly Operation[]): OperationsPlan {
  return planDrafts(DraftColumns.of(operations), packVersions(operations));
}

/**
 * Measures and packs everything but the vectors, which `write` copies straight to their place.
 * The drafts must not change in between.
 */
export function planDrafts(drafts: DraftColumns, versions: VersionColumns): OperationsPlan {
  const { count, dimension, vectorCount } = drafts;
  const columns = [packTexts(drafts.ids)];
  let columnBits = 0;
  const columnBytes = [columns[0]!.bytes.byteLength];
  let used = 0;
  for (const flags of drafts.flags) used |= flags;
  for (const [i, flag] of TEXT_FLAGS.entries()) {
    const column = (used & flag) === 0 ? undefined : packTexts(drafts.texts[i]!);
    columnBytes.push(column?.bytes.byteLength ?? 0);
    if (column === undefined) continue;
    columnBits |= flag;
    columns.push(column);
  }
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
      writeVectors(target, drafts);
      const at = HEAD_BYTES + vectorBytes;
      const rest = [new Uint8Array(versions.columns.buffer), Uint8Array.from(drafts.flags), lanes];
      const end = writeColumns(target, at, rest, columns);
      assert(end === length && target.byteLength === length, "a block is not as long as planned");
    },
  };
}

function writeVectors(target: Uint8Array<ArrayBuffer>, drafts: DraftColumns): void {
  const { dimension, vectorCount, vectors } = drafts;
  const length = dimension * vectorCount;
  const floats = new Float32Array(target.buffer, target.byteOffset + HEAD_BYTES, length);
  let at = 0;
  for (const part of vectors) {
    floats.set(part, at);
    at += part.length;
  }
}

/** Where they end. */
function writeColumns(
  target: Uint8Array,
  start: number,
  parts: readonly Uint8Array[],
  columns: readonly BlobBatch[],
): number {
  let at = start;
  for (const part of parts) {
    target.set(part, at);
    at += alignUp(part.byteLength, 4);
  }
  for (const column of columns) {
    writeBlobColumn(target.subarray(at), column);
    at += alignUp(blobColumnBytes(column), 4);
  }
  return at;
}

/** The version columns of `count` rows that follow each other. */
export function versionsOfRun(
  { lane, millis, counter }: VersionRun,
  count: number,
): VersionColumns {
  const columns = new Uint32Array(4 * count);
  columns.fill(millis % 2 ** 32, 0, count);
  columns.fill(Math.floor(millis / 2 ** 32), count, 2 * count);
  for (let i = 0; i < count; i++) columns[2 * count + i] = counter + i;
  return { columns, lanes: count === 0 ? [] : [lane] };
}

function packVersions(operations: readonly Operation[]): VersionColumns {
  const count = operations.length;
  const columns = new Uint32Array(4 * count);
  const lanes: string[] = [];
  const laneNumbers = new Map<string, number>();
  for (const [i, { version }] of operations.entries()) {
    const lane = version.slice(20);
    const laneNumber = laneNumbers.get(lane) ?? lanes.push(lane) - 1;
    laneNumbers.set(lane, laneNumber);
    columns[i] = Number.parseInt(version.slice(4, 12), 16);
    columns[count + i] = Number.parseInt(version.slice(0, 4), 16);
    columns[2 * count + i] = Number.parseInt(version.slice(13, 19), 16);
    columns[3 * count + i] = laneNumber;
  }
  return { columns, lanes };
}
