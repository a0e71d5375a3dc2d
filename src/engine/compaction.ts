import type { ConflictResolution } from "../format/config.ts";
import type { Manifest, SegmentEntry, SegmentId } from "../format/manifest.ts";
import type { LaneId, Version } from "../format/version.ts";

/** Slots `[from, to)` of one lane. */
export interface LaneRange {
  readonly lane: LaneId;
  readonly from: number;
  readonly to: number;
}

/**
 * Work that turns log into segments, or segments into fewer. A job only reads what its base
 * manifest names and only writes objects with new names, so it can be killed at any instant and
 * run anywhere; nothing it does counts before a manifest names its result.
 */
export type CompactionJob =
  | {
      readonly kind: "flush";
      readonly base: Manifest;
      /** Contiguous with the base's cursors. */
      readonly lanes: readonly LaneRange[];
      readonly limits: CompactionLimits;
    }
  | {
      readonly kind: "merge";
      readonly base: Manifest;
      readonly inputs: readonly SegmentId[];
      readonly limits: CompactionLimits;
    };

/** Bounds that a job keeps, and settings of the database that it goes by. */
export interface CompactionLimits {
  /** Bytes of rows and columns a job may hold at once. */
  readonly memoryBytesMax: number;
  readonly partitionCount: number;
  /** Default `last-write-wins`. */
  readonly conflictResolution?: ConflictResolution | undefined;
}

/** What a job made, as plain data that crosses threads. */
export interface CompactionResult {
  /** Merge: its inputs. */
  readonly removed: readonly SegmentId[];
  readonly added: readonly SegmentEntry[];
  /** Flush: rows of surviving segments that rows of `added` replace, ascending. */
  readonly masked: ReadonlyMap<SegmentId, Uint32Array>;
  /** Merge: for each input, its rows' numbers in `added[0]`, or `ROW_DROPPED`. */
  readonly moved: ReadonlyMap<SegmentId, Uint32Array>;
  /** Flush: how far each lane is now covered. */
  readonly lanes: readonly CoveredLane[];
  /** Operations that were at or below the floor and not covered: ignored, and counted. */
  readonly junkCount: number;
  /** Rows of `added` hold more than readers see: tombstones, operations that are not folded yet. */
  readonly hasRemains: boolean;
}

/** How far a lane is in segments once a result is committed. */
export interface CoveredLane {
  readonly lane: LaneId;
  readonly incarnation: string;
  readonly openVersion: Version;
  readonly cursor: number;
  readonly lastVersion: Version;
  /** The slot that seals the lane, when it is among those covered. */
  readonly sealSlot?: number | undefined;
  /** The lane's own writer made the seal, on closing: nobody will ever run into it. */
  readonly sealedByWriter?: boolean | undefined;
}

/** In `moved`: the row has no successor. */
export const ROW_DROPPED = 0xffff_ffff;

/** Where jobs run: on this thread in slices, or in a worker. */
export interface Executor extends AsyncDisposable {
  readonly name: "inline" | "worker" | "lazy";
  run(job: CompactionJob, signal?: AbortSignal): Promise<CompactionResult>;
}
