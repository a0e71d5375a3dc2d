import type { Operation } from "./operation.ts";
import type { LaneId, Version } from "./version.ts";

/** One immutable object of a lane. Key: `_brainy/wal/<lane>/<%016d number>`. */
export interface Slot {
  readonly kind: "open" | "operations" | "seal";
  readonly databaseId: string;
  readonly lane: LaneId;
  readonly number: number;
  /** Ulid of the process run that made it; a seal names the sealer. */
  readonly incarnation: string;
  /** Random, so that two attempts of two processes never make the same bytes. */
  readonly nonce: string;
  /** An open record's own version; the last operation's; a seal repeats the lane's last one. */
  readonly version: Version;
  /** In version order. Empty unless `kind` is `operations`. */
  readonly operations: readonly Operation[];
}
