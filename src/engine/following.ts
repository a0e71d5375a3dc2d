import type { BrainyError } from "../base/errors.ts";
import type { Manifest } from "../format/manifest.ts";
import type { OperationColumns } from "../format/operation-columns.ts";
import type { LaneId } from "../format/version.ts";

/** How an instance keeps up with its store: with every record, or with the log's outlines only. */
export interface Following {
  /** The one in use. */
  readonly manifest: Manifest;
  /** Records that readers see, as far as it is known here. */
  readonly recordCount: number;
  /** Slots known here that segments of the manifest in use do not cover, and what is in them. */
  readonly uncoveredSlots: number;
  readonly tailOperations: number;
  readonly tailBytes: number;
  /** When the oldest operation that no segment covers was stamped, as far as it is known here. */
  tailSinceMs(): number | undefined;
  /** Operations ignored because they appeared at or below the floor. */
  readonly junkCount: number;
  /** Age of what is known, by the larger of wall and monotonic time. */
  readonly stalenessMs: number;
  /** Why nothing that is known here can be relied on any more: the store has gone back. */
  readonly ended: BrainyError | undefined;
  /** Another value whenever the log or the manifest in use has moved on. */
  readonly progress: string;
  /** Resolves once everything acknowledged before the call is known, and the clock is above it. */
  catchUp(): Promise<void>;
  /** Makes a newer manifest the one in use. */
  adopt(manifest: Manifest): Promise<void>;
  /** Operations of an own slot that is durable. In parts when they are many; else at once. */
  show(columns: OperationColumns): Promise<void> | undefined;
  /** Operations of `lane` up to slot `number` have been applied. */
  advance(lane: LaneId, number: number): void;
}
