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
}
