import type { SegmentId } from "./manifest.ts";
import type { Version } from "./version.ts";
import type { Operation } from "./operation.ts";

/** One row on its way into a segment: the state of one record. */
export interface SegmentRow {
  readonly id: string;
  /** Version of the newest operation that made the visible state, or of the tombstone. */
  readonly version: Version;
  /** `false`: a tombstone, or patches whose base has not come yet. Never visible. */
  readonly live: boolean;
  /** The visible state; absent for dead rows. */
  readonly vector?: Float32Array | undefined;
  readonly content: string;
  readonly metadata: string;
  /** JSON of `{ type?, domain?, expiresAtMs? }`, or `""`. */
  readonly attributes: string;
  /** The operations themselves (base first, then patches) where they may not be folded yet. */
  readonly residual?: readonly Operation[] | undefined;
}

/** What META says of a segment. */
export interface SegmentMeta {
  readonly id: SegmentId;
  readonly databaseId: string;
  readonly rows: number;
  /** Rows `[0, vectorRows)` have a vector; the rest has none. */
  readonly vectorRows: number;
  /** 0 when no row has a vector. */
  readonly dimension: number;
  /** Floats from one row to the next: the dimension, rounded up to a multiple of 4. */
  readonly stride: number;
  readonly minVersion: Version;
  readonly maxVersion: Version;
  readonly clusters: number;
  /** Rows `[0, liveRows)` are live, those with a vector first; the rest is dead. */
  readonly liveRows: number;
}

/** "BSEG", read as a little-endian number. */
export const SEGMENT_MAGIC = 0x4745_5342;

/** Section kinds, in their order in the object: what a cold reader needs first comes last. */
export const SECTION = {
  vectors: 1,
  versions: 2,
  kinds: 3,
  idBytes: 4,
  idOffsets: 5,
  metadataBytes: 6,
  metadataOffsets: 7,
  contentBytes: 8,
  contentOffsets: 9,
  attributesBytes: 10,
  attributesOffsets: 11,
  residualRows: 12,
  residualOperations: 13,
  idIndex: 14,
  idFilter: 15,
  idFence: 16,
  clusters: 17,
  meta: 18,
} as const;

/** The byte in the kinds section of a row that can be found. */
export const ROW_LIVE = 1;
/** The byte of a tombstone, or of patches whose base has not come yet. */
export const ROW_DEAD = 0;

/** Floats from one row to the next: rows start at multiples of 16 bytes. */
export function strideOf(dimension: number): number {
  return Math.ceil(dimension / 4) * 4;
}
