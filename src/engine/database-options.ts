import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { ConfigDocument } from "../format/config.ts";
import type { LaneId } from "../format/version.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { CompactionOptions } from "./compaction-plan.ts";
import type { Executor } from "./compaction.ts";
import type { Ownership } from "./conditional-writer.ts";
import type { DatabaseLimits, IndexingOptions } from "./database-limits.ts";
import type { MaintenanceEvent } from "./maintenance.ts";
import type { LeaseEvent } from "./partition-leases.ts";
import type { StoredRecord } from "./records.ts";
import type { WantedSettings } from "./settings.ts";
import type { Chosen, ResolutionRules } from "./sibling-choice.ts";

/** Everything the engine touches; nothing has a default here. */
export interface DatabaseOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Rejects when the store must not be written to. Called until the first write was prepared. */
  readonly beforeFirstWrite?: (() => Promise<void>) | undefined;
  /** Made on the first job. */
  readonly executor: () => Promise<Executor>;
  readonly readOnly: boolean;
  /** Holds no index: records are found by their ids in the store, and by nothing else. */
  readonly writeOnly?: boolean | undefined;
  readonly wanted: WantedSettings;
  /** What readers see of siblings; default: the newest. */
  readonly resolve?:
    | ((siblings: readonly StoredRecord[], rules: ResolutionRules) => Chosen)
    | undefined;
  /** Shows the state that this checkpoint names; needs `readOnly`. */
  readonly checkpoint?: string | undefined;
  /** `false`: this process never maintains by itself. */
  readonly compaction: Omit<CompactionOptions, "partitionCount"> | false;
  /** Asked each time before it maintains by itself. Default: it may. */
  readonly mayMaintain?: (() => boolean) | undefined;
  readonly indexing: IndexingOptions;
  readonly limits: DatabaseLimits;
  readonly onEvent?: ((event: DatabaseEvent) => void) | undefined;
  /** Whether this incarnation has shown life of late; who has keeps maintenance. */
  readonly isAlive?: ((incarnation: string) => boolean) | undefined;
  /** Slots of an own lane up to this one are durable. */
  readonly onCommitted?: ((lane: LaneId, slot: number) => void) | undefined;
  /** Settings were read or made, for the first time or others than before. */
  readonly onSettings?: ((config: ConfigDocument) => void) | undefined;
  /** Who else may decide conditional operations. Default: nobody is known. */
  readonly ownership?: Ownership | undefined;
}

/** What happened in the background. */
export type DatabaseEvent =
  | MaintenanceEvent
  | LeaseEvent
  | { readonly type: "index_updated"; readonly manifest: number; readonly segments: number };
