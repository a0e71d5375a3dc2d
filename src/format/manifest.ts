import type { Brand } from "../base/brand.ts";
import type { LaneId, Version } from "./version.ts";

/** A ulid naming one segment. Never reused. */
export type SegmentId = Brand<string, "SegmentId">;

/**
 * The state of the database below the tail: numbered, immutable, created if absent.
 * Key: `_brainy/manifests/<%016d number>.json`. The highest number is the truth.
 */
export interface Manifest {
  readonly formatVersion: number;
  /** Lowest format version that may read, or write, a store with this manifest. */
  readonly minReader: number;
  readonly minWriter: number;
  readonly databaseId: string;
  readonly number: number;
  readonly nonce: string;
  /** Raised by each takeover of maintenance. */
  readonly epoch: number;
  /** Incarnation that maintains; `""` in a manifest that nobody holds. */
  readonly holder: string;
  /** Store time of its making, milliseconds since 1970. */
  readonly createdMs: number;
  /** No operation at or below it can still appear. Never falls. */
  readonly floor: Version;
  /** The greatest version that segments of this manifest cover. */
  readonly maxVersion: Version;
  readonly dimensions: number | undefined;
  readonly segments: readonly SegmentEntry[];
  readonly lanes: readonly LaneEntry[];
}

export interface SegmentEntry {
  readonly id: SegmentId;
  /** Full object key. */
  readonly key: string;
  readonly bytes: number;
  /** All rows, dead and masked ones included. */
  readonly rows: number;
  readonly vectorRows: number;
  readonly minVersion: Version;
  readonly maxVersion: Version;
  /** Rows that a later manifest masked; absent when none is. */
  readonly deletions?: DeletionEntry | undefined;
}

/** Inline when small, else an object of its own. */
export type DeletionEntry =
  | { readonly count: number; readonly inline: string }
  | { readonly count: number; readonly key: string; readonly bytes: number };

export interface LaneEntry {
  readonly lane: LaneId;
  /** Incarnation that writes it, from its open record. */
  readonly incarnation: string;
  /** Version of its open record. */
  readonly openVersion: Version;
  /** Last slot that segments of this manifest cover; operations up to here are in segments. */
  readonly cursor: number;
  /** Version of that slot. */
  readonly lastVersion: Version;
  /** Store time when maintenance first saw the lane's head at its present place. */
  readonly headSeenMs: number;
  readonly head: number;
  /** Present once the seal at slot `slot` is known; the lane takes no operation after it. */
  readonly seal?: { readonly slot: number; readonly seenMs: number } | undefined;
}
